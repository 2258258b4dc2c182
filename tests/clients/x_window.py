"""An X program with one window full of random rectangles, that tells on standard output what happens to it.

    python x_window.py WIDTH HEIGHT X Y SEED

Its lines are JSON: first `{"window": id}` once it is on the screen, then one for each event.
"""

from __future__ import annotations

import json
import random
import sys

import xcffib
from xcffib import xproto

EVENTS = (
    xproto.EventMask.Exposure
    | xproto.EventMask.KeyPress
    | xproto.EventMask.KeyRelease
    | xproto.EventMask.ButtonPress
    | xproto.EventMask.ButtonRelease
    | xproto.EventMask.PointerMotion
)
KINDS = {
    xproto.KeyPressEvent: "key-press",
    xproto.KeyReleaseEvent: "key-release",
    xproto.ButtonPressEvent: "button-press",
    xproto.ButtonReleaseEvent: "button-release",
    xproto.MotionNotifyEvent: "motion",
}


def main() -> None:
    width, height, x, y, seed = map(int, sys.argv[1:])
    connection = xcffib.connect()
    setup = connection.get_setup()
    root = setup.roots[0]
    window = connection.generate_id()
    connection.core.CreateWindow(
        root.root_depth,
        window,
        root.root,
        x,
        y,
        width,
        height,
        0,
        xproto.WindowClass.InputOutput,
        root.root_visual,
        xproto.CW.BackPixel | xproto.CW.EventMask,
        [root.white_pixel, EVENTS],
    )
    connection.core.MapWindow(window)
    context = connection.generate_id()
    connection.core.CreateGC(context, window, 0, [])
    low, high = setup.min_keycode, setup.max_keycode
    mapping = connection.core.GetKeyboardMapping(low, high - low + 1).reply()
    shown = False
    while True:
        connection.flush()
        event = connection.wait_for_event()
        if isinstance(event, xproto.ExposeEvent):
            draw(connection, window, context, width, height, seed)
            if not shown:
                connection.core.GetInputFocus().reply()  # the picture is on the screen once this is answered
                shown = True
                tell(window=window)
        elif type(event) in KINDS:
            fields = {"x": event.root_x, "y": event.root_y, "state": event.state}
            if isinstance(event, (xproto.KeyPressEvent, xproto.KeyReleaseEvent)):
                fields = {
                    "keycode": event.detail,
                    "keysym": mapping.keysyms[(event.detail - low) * mapping.keysyms_per_keycode],
                    "state": event.state,
                }
            elif not isinstance(event, xproto.MotionNotifyEvent):
                fields["button"] = event.detail
            tell(event=KINDS[type(event)], **fields)


def draw(connection: xcffib.Connection, window: int, context: int, width: int, height: int, seed: int) -> None:
    values = random.Random(seed)
    for _ in range(300):
        connection.core.ChangeGC(context, xproto.GC.Foreground, [values.randrange(1 << 24)])
        place = (values.randrange(width), values.randrange(height), values.randint(1, 50), values.randint(1, 20))
        connection.core.PolyFillRectangle(window, context, 1, [xproto.RECTANGLE.synthetic(*place)])


def tell(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    main()
