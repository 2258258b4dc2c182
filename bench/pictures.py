"""Pictures for the benchmarks: frames like a desktop, like a photograph, and of noise; and the file that peers read."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1920, 1080
FRAMES: Final = 4
"""Different frames of a kind, so that a dictionary cannot know the next one."""
GLYPHS: Final = 256
GLYPH_WIDTH, GLYPH_HEIGHT = 8, 16
LINES: Final = 64
LINE_WIDTH, SCROLLED = 1024, 784
"""A line of text is as high as a glyph; so many rows above it move up when it appears."""

Frame = np.ndarray[tuple[int, int], np.dtype[np.uint32]]


def noise(seed: int = 1) -> Frame:
    """Make a frame that nothing can compress."""
    return np.random.default_rng(seed).integers(0, 1 << 24, (HEIGHT, WIDTH), np.uint32)


def photo(seed: int = 2) -> Frame:
    """Make a frame like a photograph: smooth in the large, grainy in the small."""
    generator = np.random.default_rng(seed)
    y, x = np.indices((HEIGHT, WIDTH))
    channels = []
    for k in range(3):
        smooth = 128 + 70 * np.sin(x / (170 + 30 * k)) * np.cos(y / (130 + 20 * k)) + 20 * np.sin((x + y) / 41)
        grain = generator.normal(0, 2.5, (HEIGHT, WIDTH))
        channels.append(np.clip(smooth + grain, 0, 255).astype(np.uint32))
    return channels[0] | channels[1] << 8 | channels[2] << 16


def text(width: int, height: int, seed: int, back: int, fore: int) -> Frame:
    """Make lines of made-up words in a smooth font, ragged on the right."""
    chance = random.Random(seed)
    words = ["".join(chance.choices("etaoinshrdlucmfwypvbgk,.", k=chance.randint(1, 9))) for _ in range(400)]
    page = Image.new("RGB", (width, height), back)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(13)
    for top in range(0, height - 16, 17):
        line = " ".join(chance.choices(words, k=chance.choice((0, width // 60, width // 80, width // 120))))
        draw.text((4, top), line, fore, font)
    return np.frombuffer(page.tobytes("raw", "BGRX"), np.uint32).reshape(height, width) & 0xFFFFFF


def desktop(seed: int = 3) -> Frame:
    """Make a frame like a desktop: a background with a gradient, two windows with text, a panel with buttons."""
    frame: Frame = np.repeat(np.arange(HEIGHT, dtype=np.uint32)[:, None] // 9 + 0x305070, WIDTH, axis=1)
    for left, top, width, height, back, fore in (
        (80, 90, 900, 640, 0xFFFFFF, 0x202020),
        (700, 300, 1000, 680, 0x101418, 0xC8D0D8),
    ):
        frame[top - 28 : top, left : left + width] = 0x406080
        frame[top : top + height, left : left + width] = text(width, height, seed + left, back, fore)
    frame[1040:] = 0x282C30
    for button in range(12):
        frame[1046:1074, 8 + 150 * button : 148 + 150 * button] = 0x484C50
    return frame


KINDS: Final[dict[str, Callable[[int], Frame]]] = {"desktop": desktop, "photo": photo, "noise": noise}


def write(file: Path, kind: str) -> None:
    """Write frames, glyphs and lines one after the other, each as packed rows of BGRX."""
    page = text(LINE_WIDTH, GLYPH_HEIGHT * LINES, 5, 0xFFFFFF, 0x202020)
    with file.open("wb") as out:
        for number in range(FRAMES):
            out.write(KINDS[kind](number).tobytes())
        for number in range(GLYPHS):
            top, left = GLYPH_HEIGHT * (number % LINES), GLYPH_WIDTH * (number // LINES)
            out.write(page[top : top + GLYPH_HEIGHT, left : left + GLYPH_WIDTH].tobytes())
        out.write(page)


def cut(data: memoryview) -> list[list[memoryview]]:
    """Return the frames, the glyphs and the lines in what was written."""
    parts = []
    for count, width, height in (
        (FRAMES, WIDTH, HEIGHT),
        (GLYPHS, GLYPH_WIDTH, GLYPH_HEIGHT),
        (LINES, LINE_WIDTH, GLYPH_HEIGHT),
    ):
        size = 4 * width * height
        parts.append([data[size * number : size * (number + 1)] for number in range(count)])
        data = data[size * count :]
    return parts
