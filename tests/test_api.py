"""What a program that imports spicetrio is promised."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from PIL import Image

import spicetrio
from spicetrio import Settings
from spicetrio.wire import inputs
from spicetrio.wire.enums import ChannelType
from tests.channels.stage import open_stage, receive
from tests.peer import open_viewer

PUBLIC = [getattr(spicetrio, name) for name in spicetrio.__all__]


def example() -> str:
    """The code of the package's docstring."""
    assert spicetrio.__doc__ is not None
    return textwrap.dedent(spicetrio.__doc__.partition("::\n\n")[2])


def connect_to(address: str) -> Any:
    host, port = address.removeprefix("spice://").rsplit(":", 1)
    return partial(trio.open_tcp_stream, host, int(port))


async def test_the_example_runs_and_a_viewer_sees_its_image() -> None:
    code = example().replace("port=5900", "port=0")
    assert "port=0" in code
    assert len(code.strip().splitlines()) <= 10
    # The ellipsis is where the program goes on.
    code = re.sub(r"^(\s*)\.\.\.$", r"\1await got(event)", code, flags=re.MULTILINE)
    source = "async def example(image, listening, got):\n" + textwrap.indent(code, "    ")
    source = source.replace(
        "await display.draw_image(0, 0, image)", "await display.draw_image(0, 0, image); listening(server)"
    )
    names: dict[str, Any] = {"spicetrio": spicetrio}
    exec(source, names)
    image = Image.new("RGB", (640, 480), (1, 2, 3))
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            opened, addresses, events = trio.Event(), [], []

            def listening(server: spicetrio.Server) -> None:
                addresses.extend(server.addresses)
                opened.set()

            async def got(event: spicetrio.InputEvent) -> None:
                events.append(event)
                nursery.cancel_scope.cancel()

            nursery.start_soon(names["example"], image, listening, got)
            await opened.wait()
            async with open_viewer(connect_to(addresses[0]), password="secret") as viewer:
                channel = await viewer.open_display()
                await viewer.watch(channel, lambda screen: screen.marked)
                assert viewer.screen.pixels() == bytes((3, 2, 1, 0)) * 640 * 480
                await channel.stream.aclose()
                keyboard = await viewer.open(ChannelType.INPUTS)
                await keyboard.send(inputs.KeyDown(0x1E))
                async with keyboard.stream:
                    await trio.sleep_forever()
    assert [event.code for event in events] == [0x1E]


def test_all_names_are_there_once_and_in_order() -> None:
    assert len(spicetrio.__all__) == len(set(spicetrio.__all__))
    assert spicetrio.__all__ == sorted(spicetrio.__all__)


def test_no_name_is_public_that_is_not_listed() -> None:
    others = {
        name
        for name, value in vars(spicetrio).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name not in spicetrio.__all__
    }
    assert others == set()


@pytest.mark.parametrize("name", spicetrio.__all__)
def test_every_public_name_is_documented_with_all_that_belongs_to_it(name: str) -> None:
    value = getattr(spicetrio, name)
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return  # an alias of a type
    assert value.__doc__, name
    assert not value.__doc__.startswith(f"{name}("), "the docstring is only what dataclasses make up"
    if not inspect.isclass(value):
        return
    for attribute, member in vars(value).items():
        if not attribute.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
            assert inspect.getdoc(getattr(value, attribute)), f"{name}.{attribute}"
    if dataclasses.is_dataclass(value):
        source = inspect.getsource(value)
        for field in dataclasses.fields(value):
            assert re.search(rf'^    {field.name}: .*\n    """', source, re.MULTILINE), f"{name}.{field.name}"


@pytest.mark.parametrize("kind", [spicetrio.Display, spicetrio.Server])
def test_every_public_coroutine_says_what_cancelling_it_does(kind: type) -> None:
    for name, member in vars(kind).items():
        asynchronous = inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(
            getattr(member, "__wrapped__", member)
        )
        if asynchronous and not name.startswith("_") and name not in ("opened", "serve"):
            assert "Cancellation:" in (inspect.getdoc(member) or ""), f"{kind.__name__}.{name}"


def test_importing_draws_in_nothing_that_is_not_needed() -> None:
    code = (
        "import sys, spicetrio;"
        "print([name for name in ('numpy', 'xcffib', 'av', 'jeepney', 'spicetrio.sources', 'spicetrio.cli')"
        " if name in sys.modules])"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_settings_are_given_whole_or_as_keywords_and_keywords_go_before() -> None:
    settings = Settings(ticket="x", name="one", ack_window=7)
    async with spicetrio.open_server(settings) as server:
        assert server.settings is settings or server.settings == settings
    async with spicetrio.open_server(settings, name="two") as server:
        assert (server.settings.name, server.settings.ack_window, server.settings.ticket) == ("two", 7, "x")
    assert settings.name == "one"
    async with spicetrio.open_server(settings, ticket=None, disable_ticketing=True) as server:
        assert server.settings.disable_ticketing
    async with spicetrio.open_server(ticket="y") as server:
        assert server.settings == Settings(ticket="y")


@pytest.mark.parametrize(
    ("settings", "changes", "error"),
    [
        (None, {}, ValueError),
        (None, {"ticket": "x", "disable_ticketing": True}, ValueError),
        (None, {"ticket": "x", "port": 65536}, ValueError),
        (None, {"disable_ticketing": True, "host": "", "port": 0}, ValueError),
        (None, {"ticket": "x", "ack_window": 0}, ValueError),
        (Settings(ticket="x"), {"disable_ticketing": True}, ValueError),
        (None, {"ticket": "x", "tickets": 3}, TypeError),
        (Settings(ticket="x"), {"nonsense": 3}, TypeError),
    ],
)
async def test_settings_that_make_no_sense_are_refused_before_anything_is_opened(
    settings: Settings | None, changes: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        async with spicetrio.open_server(settings, **changes):
            raise AssertionError


async def test_an_address_that_is_taken_is_an_oserror() -> None:
    async with spicetrio.open_server(port=0, ticket="x") as server:
        port = int(server.addresses[0].rsplit(":", 1)[1])
        with pytest.raises(OSError, match=str(port)):
            async with spicetrio.open_server(port=port, ticket="x"):
                raise AssertionError


def test_a_ticket_is_not_shown_with_the_settings() -> None:
    assert "sesame" not in repr(Settings(ticket="sesame"))


def test_values_are_frozen() -> None:
    for value in PUBLIC:
        if inspect.isclass(value) and dataclasses.is_dataclass(value):
            assert value.__dataclass_params__.frozen, value  # type: ignore[attr-defined]
        elif inspect.isclass(value) and issubclass(value, enum.Enum):
            assert len(value) > 0


async def test_two_servers_in_one_process_share_nothing() -> None:
    async with open_stage(name="one") as one, open_stage(name="two") as two:
        async with (
            one.server.open_display(8, 8) as left,
            two.server.open_display(8, 8) as right,
            one.server.open_inputs() as left_inputs,
            two.server.open_inputs() as right_inputs,
            one.viewer() as viewer,
        ):
            assert left.id == right.id == 0
            assert len(one.server.clients.value) == 1
            assert two.server.clients.value == ()
            await left.fill(0, 0, 8, 8, 0xFF0000)
            assert await right.read() == bytes(256)
            left.cursor.move(5, 5)
            assert right.cursor.state.position == (0, 0)
            left_inputs.set_locks(spicetrio.Locks.CAPS)
            assert right_inputs.locks.value == spicetrio.Locks.NONE
            async with open_viewer(two.connect) as other:
                with pytest.raises(Exception, match="8"):  # no such connection id there
                    await other.open(ChannelType.DISPLAY, connection_id=viewer.init.session_id)
                keyboard = await other.open(ChannelType.INPUTS)
                await receive(keyboard, inputs.Init)
                await keyboard.send(inputs.KeyDown(1))
                event = await anext(right_inputs)
                assert event.viewer is two.server.clients.value[0]
                await keyboard.stream.aclose()
        assert len(one.server.channels) == len(two.server.channels) == 1


async def test_there_is_one_inputs_and_it_may_be_opened_again() -> None:
    async with open_stage() as stage:
        for _ in range(2):
            async with stage.server.open_inputs():
                with pytest.raises(ValueError, match="already"):
                    async with stage.server.open_inputs():
                        raise AssertionError


async def test_displays_take_the_lowest_free_number_and_there_are_256() -> None:
    async with open_stage() as stage:
        async with stage.server.open_display(1, 1) as first, stage.server.open_display(1, 1) as second:
            assert (first.id, second.id) == (0, 1)
        async with trio.open_nursery() as nursery:
            opened = trio.Semaphore(0)

            async def show() -> None:
                async with stage.server.open_display(1, 1):
                    opened.release()
                    await trio.sleep_forever()

            for _ in range(256):
                nursery.start_soon(show)
            for _ in range(256):
                await opened.acquire()
            with pytest.raises(ValueError, match="256 displays"):
                async with stage.server.open_display(1, 1):
                    raise AssertionError
            nursery.cancel_scope.cancel()


async def test_a_server_that_is_cancelled_leaves_no_thread_and_no_task() -> None:
    tasks = trio.lowlevel.current_statistics().tasks_living
    with trio.fail_after(10):
        for _ in range(5):
            with trio.CancelScope() as scope:
                async with (
                    spicetrio.open_server(port=0, disable_ticketing=True) as server,
                    server.open_display(64, 64) as display,
                    server.open_inputs(),
                ):
                    await display.fill(0, 0, 1, 1, 0)
                    scope.cancel()
                    await trio.sleep_forever()
    assert trio.testing.active_thread_count() == 0
    assert trio.lowlevel.current_statistics().tasks_living == tasks
