"""Time the codecs and the pixel kernels on 1080p frames: `python -m bench.codecs [seconds per figure]`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from bench.pictures import HEIGHT, WIDTH, Frame, desktop, noise, photo
from spicetrio.canvas import compiled, pixels
from spicetrio.canvas.fingerprint import fingerprint
from spicetrio.canvas.graduality import graduality
from spicetrio.canvas.pixelbuffer import pixel_buffer
from spicetrio.codecs import glz, jpeg, lz, lz4, quic, zlib_glz

STRIDE = 4 * WIDTH
RAW = STRIDE * HEIGHT


def best(call: Callable[[], object], seconds: float) -> float:
    """Return the shortest time of a call, in ms."""
    least = float("inf")
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        least = min(least, measure(call))
    return least


def measure(call: Callable[[], object]) -> float:
    """Return the time of one call, in ms."""
    begin = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - begin)


def report(what: str, milliseconds: float, note: str = "") -> None:
    """Print one line."""
    print(f"{what:32} {milliseconds:8.2f} ms {RAW / 1000 / milliseconds:8.0f} MB/s  {note}", flush=True)


def retouched(frame: Frame) -> Frame:
    """Make a frame that differs in a window of noise, a line that moved, and a button."""
    changed = frame.copy()
    changed[400:560, 820:1300] = noise(7)[400:560, 820:1300] & 0x3F3F3F
    changed[200:217, 90:700] = frame[217:234, 90:700]
    changed[1046:1060, 1700:1760] ^= 0x777777
    return changed


def bench_glz(name: str, frame: Frame, seconds: float) -> None:
    """Print figures of a frame that is new to a dictionary, of one that differs little from it, and zlib's."""
    blank, data, changed = bytes(RAW), frame.tobytes(), retouched(frame).tobytes()
    dictionary = glz.Dictionary(glz.MOST_PIXELS)

    def encode(pixels: bytes) -> bytes:
        encoded = dictionary.encode(pixels, width=WIDTH, height=HEIGHT, stride=STRIDE, image_type=lz.LzType.RGB32)
        assert encoded is not None
        return encoded

    first, second = [], []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or not first:
        encode(blank)
        encode(blank)  # the frame is forgotten
        first.append(measure(lambda: encode(data)))
        second.append(measure(lambda: encode(changed)))
    encode(blank)
    encode(blank)
    encoded = encode(data)
    report(f"glz encode {name}", min(first), f"{len(encoded)} bytes")
    report(f"glz encode {name}, then changed", min(second), f"{len(encode(changed))} bytes")
    deflated = zlib_glz.encode(encoded)
    note = "not smaller" if deflated is None else f"{len(deflated)} bytes"
    report(f"zlib of glz {name}", best(lambda: zlib_glz.encode(encoded), seconds), note)


def main() -> None:
    """Print all figures."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    print(f"{WIDTH}x{HEIGHT}, {RAW} bytes, kernels {'compiled' if compiled() else 'NOT COMPILED'}")
    frames = {"desktop": desktop(), "photo": photo(), "noise": noise()}
    size = {"width": WIDTH, "height": HEIGHT, "stride": STRIDE}
    for name, frame in frames.items():
        data = frame.tobytes()
        encoded = lz.encode(data, image_type=lz.LzType.RGB32, **size)
        assert encoded is not None
        assert lz.decode(encoded).pixels == data
        milliseconds = best(lambda data=data: lz.encode(data, image_type=lz.LzType.RGB32, **size), seconds)
        report(f"lz encode {name}", milliseconds, f"{len(encoded)} bytes")
        report(f"lz decode {name}", best(lambda encoded=encoded: lz.decode(encoded), seconds))
        encoded = quic.encode(data, image_type=quic.QuicType.RGB32, **size)
        assert encoded is not None
        assert quic.decode(encoded).pixels == data
        milliseconds = best(lambda data=data: quic.encode(data, image_type=quic.QuicType.RGB32, **size), seconds)
        report(f"quic encode {name}", milliseconds, f"{len(encoded)} bytes")
        report(f"quic decode {name}", best(lambda encoded=encoded: quic.decode(encoded), seconds))
        encoded = lz4.encode(data, **size)
        assert encoded is not None
        report(f"lz4 encode {name}", best(lambda data=data: lz4.encode(data, **size), seconds), f"{len(encoded)} bytes")
        encoded = jpeg.encode(data, **size)
        assert encoded is not None
        report(
            f"jpeg encode {name}", best(lambda data=data: jpeg.encode(data, **size), seconds), f"{len(encoded)} bytes"
        )
        area = (data, STRIDE, 0, 0, WIDTH, HEIGHT)
        report(f"graduality {name}", best(lambda area=area: graduality(*area), seconds), graduality(*area).value)
        report(f"fingerprint {name}", best(lambda area=area: fingerprint(*area), seconds), fingerprint(*area).hex())

    for name, frame in frames.items():
        bench_glz(name, frame, seconds)

    canvas = bytearray(RAW)
    everything = (0, 0, WIDTH, HEIGHT)
    data = frames["noise"].tobytes()
    for layout, width in (("BGRX", 4), ("RGBX", 4), ("RGB", 3), ("RGB565", 2), ("L", 1)):
        milliseconds = best(
            lambda layout=layout, width=width: pixels.blit(
                canvas, STRIDE, 0, 0, data, 0, width * WIDTH, WIDTH, HEIGHT, layout
            ),
            seconds,
        )
        report(f"blit {layout}", milliseconds)
    colors = np.frombuffer(data, np.uint8).reshape(HEIGHT, WIDTH, 4)[:, :, :3]
    for name, view in (
        ("rows with gaps", np.ascontiguousarray(colors)[:, 8:]),
        ("bottom up", np.ascontiguousarray(colors)[::-1]),
        ("channels reversed", np.ascontiguousarray(colors)[:, :, ::-1]),
        ("Fortran order", np.asfortranarray(colors)),
    ):
        report(f"take array, {name}", best(lambda view=view: pixel_buffer(view), seconds))
    image = Image.fromarray(colors)
    report("take Pillow image", best(lambda: pixel_buffer(image), seconds))
    report("fill", best(lambda: pixels.fill(canvas, STRIDE, *everything, 0x123456), seconds))
    report("solid_color", best(lambda: pixels.solid_color(canvas, STRIDE, *everything), seconds))
    report("copy_area", best(lambda: pixels.copy_area(canvas, STRIDE, 0, 10, WIDTH, HEIGHT - 10, 0, 0), seconds))
    report("pack", best(lambda: pixels.pack(canvas, STRIDE, 1, 0, WIDTH - 1, HEIGHT), seconds))

    still = frames["desktop"].tobytes()
    filled = (frames["desktop"] | 0xFF000000).tobytes()
    moved = frames["desktop"].copy()
    moved[300:929, 700:1700] = frames["desktop"][351:980, 700:1700]
    scrolled = moved.tobytes()
    for name, frame in (("same", still), ("same, x bytes differ", filled), ("scrolled", scrolled), ("all", data)):
        milliseconds = best(lambda frame=frame: pixels.damage(still, STRIDE, frame, 0, STRIDE, *everything), seconds)
        found = pixels.damage(still, STRIDE, frame, 0, STRIDE, *everything)
        report(f"damage {name}", milliseconds, f"{len(found)} rectangles")
    for name, frame in (("scrolled window", scrolled), ("all changed", data)):
        milliseconds = best(
            lambda frame=frame: pixels.find_scroll(still, STRIDE, frame, 0, STRIDE, *everything), seconds
        )
        report(
            f"find_scroll {name}",
            milliseconds,
            str(pixels.find_scroll(still, STRIDE, frame, 0, STRIDE, *everything)),
        )


if __name__ == "__main__":
    main()
