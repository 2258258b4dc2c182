"""Time the codecs and the pixel kernels on 1080p frames: `python -m bench.codecs [seconds per figure]`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from bench.pictures import HEIGHT, WIDTH, desktop, noise, photo
from spicetrio.canvas import compiled, pixels
from spicetrio.codecs import lz, lz4

STRIDE = 4 * WIDTH
RAW = STRIDE * HEIGHT


def best(call: Callable[[], object], seconds: float) -> float:
    """Return the shortest time of a call, in ms."""
    least = float("inf")
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        call()
        least = min(least, time.perf_counter() - begin)
    return 1000 * least


def report(what: str, milliseconds: float, note: str = "") -> None:
    """Print one line."""
    print(f"{what:32} {milliseconds:8.2f} ms {RAW / 1000 / milliseconds:8.0f} MB/s  {note}", flush=True)


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
        encoded = lz4.encode(data, **size)
        assert encoded is not None
        report(f"lz4 encode {name}", best(lambda data=data: lz4.encode(data, **size), seconds), f"{len(encoded)} bytes")

    canvas = bytearray(RAW)
    everything = (0, 0, WIDTH, HEIGHT)
    data = frames["noise"].tobytes()
    for layout, width in (("BGRX", 4), ("RGBX", 4), ("RGB", 3), ("L", 1)):
        milliseconds = best(
            lambda layout=layout, width=width: pixels.blit(
                canvas, STRIDE, 0, 0, data, 0, width * WIDTH, WIDTH, HEIGHT, layout
            ),
            seconds,
        )
        report(f"blit {layout}", milliseconds)
    report("fill", best(lambda: pixels.fill(canvas, STRIDE, *everything, 0x123456), seconds))
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
