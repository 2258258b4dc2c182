"""Drop many viewers in the same instant, over and over: `python -m bench.drop [--viewers 128] [--rounds 200]`."""

from __future__ import annotations

import argparse
import sys
import time
from statistics import median

from bench.scene import Scene, crowd, visitor


def main() -> int:
    """Print the distribution of the times until all was released; 1 if one was not."""
    parser = argparse.ArgumentParser(prog="python -m bench.drop", description=__doc__)
    parser.add_argument("--viewers", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--spare-keys", action="store_true", help="use some RSA keys again and again: see bench.scene")
    arguments = parser.parse_args()
    times, gaps, controls, work, hung = [], [], [], [], 0
    with Scene(spare_keys=arguments.spare_keys) as scene:
        for number in range(arguments.rounds):
            with visitor(crowd, scene.port, arguments.viewers, {}) as viewers:
                viewers.answer()
                scene.begin()
                time.sleep(0.1)
                dropped = viewers.kill()
            seconds, look = scene.released(dropped)
            time.sleep(0.1)
            noticed = scene.gaps()
            if any(now > then for now, then in zip(look.counts(), scene.before.counts(), strict=True)):
                hung += 1
            times.append(1000 * seconds)
            gaps.append(noticed.longest)
            controls.append(noticed.control)
            work.append(1000 * noticed.work)
            if number % 10 == 9:
                progress = f"{number + 1}: last {times[-1]:.0f} ms, longest {max(times):.0f} ms"
                print(progress, file=sys.stderr, flush=True)
        scene.server.call("trim")
        after = scene.look()
        print(f"{4 * arguments.viewers} connections dropped at once, {arguments.rounds} times; hung {hung}")
        series = {"released after": times, "others' longest gap": gaps, "the same at the control": controls}
        series["processor time of it"] = work
        for name, values in series.items():
            values.sort()
            figures = ", ".join(f"{100 * q:.0f} % {values[int(q * (len(values) - 1))]:.0f}" for q in (0.9, 0.99))
            print(f"{name}: least {values[0]:.0f}, median {median(values):.0f}, {figures}, most {values[-1]:.0f} ms")
        print(f"left: {after.since(scene.before)}")
    return int(bool(hung))


if __name__ == "__main__":
    sys.exit(main())
