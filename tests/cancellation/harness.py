"""Runs a scripted session again and again, and cancels one scope of the server at every place where it can be.

A `Scenario` is what peers do from the other end of real connections, and what the application does meanwhile. For each
n from 1 on, `every_place` sets up a server with a display, inputs and a viewer that is there all the time (the
bystander), plays the scenario, and cancels the *target* at the n-th place, until a scenario ends before its n-th. The
places are either

- `"step"`: the ends of steps of the server's tasks, which is where a checkpoint is (all tasks below the server, not
  only those in the target, as any of them may have changed what the target's tasks share); or
- `"thread"`: the calls by which a Worker's thread comes back to the event loop. The cancellation is complete before
  the call is made, so it falls into the time in which the thread works.

Places count while the target exists. `TARGETS` says how each is found; scenarios add scopes by `Stage.scope`.

Then everything that must hold is checked: those who were not cancelled are served, and see the right picture in the
end; a newcomer does as well; what a draw that was cancelled has left is the picture before or after it; all that the
server has sent can be read to its end (a message may only be cut where `Scenario.cut` says that a grace time runs
out); and of what was cancelled nothing is left: no task, thread, descriptor, limiter token, registration or event.

To use it for another channel: write the peers' part with `Stage.guest`, give the channel's scope a name in `TARGETS`,
say in `ENDS` which connections end with it, and parametrize a test over `cases(...)`. A failure names its place. Set
CANCEL_AT=<n> to run that place alone.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, NoReturn
from unittest import mock

import pytest
import trio
from trio.testing import active_thread_count, memory_stream_pair, wait_all_tasks_blocked

import spicetrio
from spicetrio.api import Server
from spicetrio.channels.display import Display
from spicetrio.channels.inputs import Inputs
from spicetrio.channels.playback import Playback
from spicetrio.channels.record import Record
from spicetrio.server.client import Client
from spicetrio.server.events import EventKind, EventReader
from spicetrio.server.settings import Settings
from spicetrio.wire.enums import ChannelType
from tests.cancellation.guests import GONE, Guest, check_bytes
from tests.server.rig import StockedKeys, descriptors

HANG: Final = 10.0
"""Seconds after which a run is given up; they take some milliseconds."""
GOODBYE: Final = "enough for today"
Cancel = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A session. Whoever is cancelled meanwhile, its parts may end with one of `GONE`."""

    peers: Callable[[Stage], Awaitable[None]]
    """What viewers do."""
    application: Callable[[Stage], Awaitable[None]] | None = None
    """What the application does at the same time, in the scope `application`, below the server."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Changes to `Settings`. The grace time is so long that it never runs out, unless it is set here."""
    size: tuple[int, int] = (64, 48)
    """Of the display."""
    pictures: Sequence[bytes] = ()
    """What the display shows before the first, and after each of the draws that the application counts."""
    bystander: bool = True
    """Another viewer is there all the time."""
    connect: str = "tcp"
    """`tcp` or `memory`; the latter has a scope for the task of each connection, `connection` for the last one."""
    cut: bool = False
    """The grace time runs out for peers that do not read, so that their last message may be cut."""
    sound: bool = False
    """There are playback and a record channel as well."""
    closing: bool = False
    """The application closes all its blocks in it."""
    check: Callable[[Stage], None] = lambda stage: None
    """Checks what else must hold in the end."""


class Stage:
    """One run of a scenario: the server and all who take part."""

    def __init__(self, scenario: Scenario, trigger: Trigger) -> None:
        self.scenario = scenario
        self.trigger = trigger
        self.server: Server
        self.display: Display
        self.inputs: Inputs
        self.playback: Playback
        self.record: Record
        self.events: EventReader
        self.nursery: trio.Nursery
        """Of the application."""
        self.root: trio.lowlevel.Task
        """The application's task, which has opened the server."""
        self.scopes: dict[str, trio.CancelScope] = {}
        self.guests: list[Guest] = []
        self.bystander: Guest | None = None
        self.residents: tuple[Client, ...] = ()
        """The viewers that were there before the scenario began."""
        self.curtain = trio.Event()
        """All blocks are to be closed."""
        self.begun = self.drawn = 0
        """Draws that the application has begun, and finished."""
        self.channels: dict[tuple[int, int], Any] = {}
        """All channels that ever were."""
        self.full = False
        """Nobody is let in any more."""
        self.notes: dict[str, Any] = {}
        """What a scenario keeps for its check."""
        self._cues: dict[str, trio.Event] = {}

    @contextmanager
    def scope(self, name: str) -> Iterator[trio.CancelScope]:
        """Make a scope that can be the target while the block runs, or until another takes its name."""
        with trio.CancelScope() as scope:
            self.scopes[name] = scope
            try:
                yield scope
            finally:
                if self.scopes.get(name) is scope:
                    del self.scopes[name]

    def cue(self, name: str) -> trio.Event:
        """Return an event that parts of a scenario wait for. None may wait by looking again and again: it would never
        be quiet, and there would be no end of places."""
        return self._cues.setdefault(name, trio.Event())

    def guest(self, **changes: Any) -> Guest:
        """Return another viewer; it has not come yet."""
        guest = Guest(changes.pop("connect", self.connect), **changes)
        self.guests.append(guest)
        return guest

    async def connect(self, *, receive_buffer: int | None = None) -> trio.abc.Stream:
        """Return a peer's end of a new connection."""
        if self.scenario.connect == "memory":
            ours, theirs = memory_stream_pair()
            self.nursery.start_soon(self._serve_stream, theirs)
            return ours
        sock = trio.socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer)
        try:
            await sock.connect(("127.0.0.1", int(self.server.addresses[0].rpartition(":")[2])))
        except OSError as error:
            sock.close()
            raise trio.BrokenResourceError from error
        except BaseException:
            sock.close()
            raise
        return trio.SocketStream(sock)

    async def draw(self, *draws: Callable[[], Awaitable[None]]) -> None:
        """Draw one after the other, and count."""
        for draw in draws:
            self.begun += 1
            await draw()
            self.drawn += 1

    async def hold(
        self,
        name: str,
        block: AbstractAsyncContextManager[Any],
        *,
        task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Hold a block until the curtain falls or its scope is cancelled."""
        with self.scope(name):
            async with block as channel:
                task_status.started(channel)
                await self.curtain.wait()

    async def _serve_stream(self, stream: trio.abc.Stream) -> None:
        with self.scope("connection"):
            await self.server.serve_stream(stream, peer="memory")


# Targets: how each is found in a stage while it exists.


def _scope(stage: Stage, name: str) -> Cancel | None:
    scope = stage.scopes.get(name)
    return scope.cancel if scope else None


def _client(stage: Stage) -> Client | None:
    return next((client for client in stage.server.clients.value if client not in stage.residents), None)


def _client_scope(stage: Stage) -> Cancel | None:
    client = _client(stage)
    return client.nursery.cancel_scope.cancel if client else None


def _client_end(stage: Stage) -> Cancel | None:
    client = _client(stage)
    return partial(client.end, GOODBYE) if client else None


def _channel_client(stage: Stage, kind: ChannelType, channel_id: int = 0) -> Cancel | None:
    channel = stage.server._channels.get((kind, channel_id))
    clients = channel._clients.items() if channel else ()
    return next((scope.cancel for client, scope in clients if client.client not in stage.residents), None)


def _half_open(stage: Stage) -> Cancel | None:
    return next((scope.cancel for scope in stage.server._half_open._scopes), None)


TARGETS: Final[dict[str, Callable[[Stage], Cancel | None]]] = {
    **{
        name: partial(_scope, name=name)
        for name in (
            *("server", "display", "inputs", "second", "stream", "device", "playback", "record", "agent"),
            *("application", "connection"),
        )
    },
    "client": _client_scope,
    "client.end": _client_end,
    "half open": _half_open,
    "main client": partial(_channel_client, kind=ChannelType.MAIN),
    "display client": partial(_channel_client, kind=ChannelType.DISPLAY),
    "cursor client": partial(_channel_client, kind=ChannelType.CURSOR),
    "inputs client": partial(_channel_client, kind=ChannelType.INPUTS),
    "stream client": partial(_channel_client, kind=ChannelType.DISPLAY, channel_id=1),
    "smartcard client": partial(_channel_client, kind=ChannelType.SMARTCARD),
    "usbredir client": partial(_channel_client, kind=ChannelType.USBREDIR),
    "port client": partial(_channel_client, kind=ChannelType.PORT),
    "webdav client": partial(_channel_client, kind=ChannelType.WEBDAV),
    "playback client": partial(_channel_client, kind=ChannelType.PLAYBACK),
    "record client": partial(_channel_client, kind=ChannelType.RECORD),
}
"""What can be cancelled: the block of the server, a display, the agent or another channel, the task of the application,
the first viewer that came in the scenario and its connections, and what serves a connection before it has a viewer."""

ALL: Final = frozenset(ChannelType)
DISPLAYS: Final = frozenset({ChannelType.DISPLAY, ChannelType.CURSOR})
ENDS: Final[dict[str, tuple[frozenset[ChannelType], frozenset[ChannelType]]]] = {
    "server": (ALL, ALL),
    "display": (DISPLAYS, DISPLAYS),
    "inputs": (frozenset({ChannelType.INPUTS}), frozenset({ChannelType.INPUTS})),
    "playback": (frozenset({ChannelType.PLAYBACK}), frozenset({ChannelType.PLAYBACK})),
    "record": (frozenset({ChannelType.RECORD}), frozenset({ChannelType.RECORD})),
    "client": (ALL, frozenset()),
    "client.end": (ALL, frozenset()),
    "main client": (ALL, frozenset()),
    "display client": (frozenset({ChannelType.DISPLAY}), frozenset()),
    "cursor client": (frozenset({ChannelType.CURSOR}), frozenset()),
    "inputs client": (frozenset({ChannelType.INPUTS}), frozenset()),
    "stream": (DISPLAYS, frozenset()),
    "stream client": (frozenset({ChannelType.DISPLAY}), frozenset()),
    "smartcard client": (frozenset({ChannelType.SMARTCARD}), frozenset()),
    "usbredir client": (frozenset({ChannelType.USBREDIR}), frozenset()),
    "port client": (frozenset({ChannelType.PORT}), frozenset()),
    "webdav client": (frozenset({ChannelType.WEBDAV}), frozenset()),
    "device": (frozenset(), frozenset()),
    "playback client": (frozenset({ChannelType.PLAYBACK}), frozenset()),
    "record client": (frozenset({ChannelType.RECORD}), frozenset()),
    "agent": (frozenset(), frozenset()),
    "second": (frozenset(), frozenset()),
    "application": (frozenset(), frozenset()),
}
"""With each target: which connections end of the viewer that came first in the scenario, and of all others. Those of
other targets are not looked at."""


class Trigger(trio.abc.Instrument):
    """Cancels a target at its n-th place."""

    def __init__(self, target: str, place: str, n: int) -> None:
        self.target = target
        self.fired = False
        self.where: list[str] = []
        """Where the server's tasks were then."""
        self.event = trio.Event()
        self._place = place
        self._left = n
        self._stage: Stage | None = None
        self._below: dict[trio.lowlevel.Task, bool] = {}

    def arm(self, stage: Stage) -> None:
        """Count from now on."""
        self._stage = stage

    def disarm(self) -> None:
        """Count no more."""
        self._stage = None

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._stage is not None and self._place == "step" and self.is_below(task):
            self._come_to_place()

    def serve(self, task: trio.lowlevel.Task) -> None:
        """Take in which task opens the server."""
        self._below = {task: True}

    def is_below(self, task: trio.lowlevel.Task) -> bool:
        """Tell whether a task is the server's."""
        below = self._below.get(task)
        if below is None:
            nursery = task.parent_nursery
            below = self._below[task] = nursery is not None and self.is_below(nursery.parent_task)
        return below

    @contextmanager
    def watching_threads(self) -> Iterator[None]:
        """Stop the Workers' threads before they come back to the event loop."""
        if self._place != "thread":
            yield
            return

        def stopped(real: Callable[..., Any], *args: Any) -> Any:
            if threading.current_thread().name.startswith("spicetrio"):
                done = threading.Event()
                token.run_sync_soon(self._come_to_thread_place, done)
                assert done.wait(HANG)
            return real(*args)

        token = trio.lowlevel.current_trio_token()
        run, run_sync = trio.from_thread.run, trio.from_thread.run_sync
        with (
            mock.patch("trio.from_thread.run", partial(stopped, run)),
            mock.patch("trio.from_thread.run_sync", partial(stopped, run_sync)),
        ):
            yield

    def _come_to_thread_place(self, done: threading.Event) -> None:
        self._come_to_place()
        done.set()

    def _come_to_place(self) -> None:
        if self._stage is None or self.fired:
            return
        cancel = TARGETS[self.target](self._stage)
        if cancel is None:
            return
        self._left -= 1
        if self._left == 0:
            self.fired = True
            self.where = [_describe(task) for task in _tasks() if self.is_below(task)]
            cancel()
            self.event.set()


def cases(scenario: str, *targets: str, threads: Sequence[str] = ()) -> list[Any]:
    """Return parameters `scenario, target, place` for a test: targets to cancel at steps, and at calls of threads."""
    return [
        pytest.param(scenario, target, place, id=f"{scenario}-{target.replace(' ', '_')}-{place}")
        for place, chosen in (("step", targets), ("thread", threads))
        for target in chosen
    ]


def every_place(scenario: Scenario, target: str, place: str) -> None:
    """Run a scenario for each place at which the target can be cancelled, and print how many there are."""
    only = os.environ.get("CANCEL_AT")
    for n in [int(only)] if only else count(1):
        trigger = Trigger(target, place, n)
        try:
            _run(scenario, trigger)
        except BaseException as error:
            where = "\n  ".join(trigger.where or ["it was not cancelled"])
            error.add_note(
                f"{target!r} was cancelled at {place} {n} (CANCEL_AT={n}), when the server's tasks were\n  {where}"
            )
            raise
        if not trigger.fired:
            assert only or n > 1, f"there is no {target!r} in it"
            print(f"{n - 1} places")
            return


def _run(scenario: Scenario, trigger: Trigger) -> None:
    files = descriptors()
    threads = {thread for thread in threading.enumerate() if not thread.name.startswith("Trio thread")}
    limiters: list[trio.CapacityLimiter] = []
    real_limiter = trio.CapacityLimiter

    def make_limiter(tokens: float) -> trio.CapacityLimiter:
        limiters.append(real_limiter(tokens))
        return limiters[-1]

    trio._core._run._r.seed(1)  # the order of tasks in a batch is chosen by chance
    with (
        _complaints() as complaints,
        mock.patch("trio.CapacityLimiter", make_limiter),
        mock.patch("spicetrio.server.statistics.TICK", 2 * HANG),  # its ticks would be places without end
    ):
        trio.run(_perform, scenario, trigger, instruments=[trigger])
    assert not complaints, f"the server has logged {complaints}"
    assert [limiter.borrowed_tokens for limiter in limiters] == [0] * len(limiters), "a limiter's token is left"
    left = {thread for thread in threading.enumerate() if not thread.name.startswith("Trio thread")} - threads
    assert not left, f"the threads {left} are left"
    assert descriptors() == files, "descriptors are left"


async def _perform(scenario: Scenario, trigger: Trigger) -> None:
    async with trio.open_nursery() as watch:  # outside, as what has failed may hang too
        watch.start_soon(_watch_for_hang, trigger)
        await _perform_and_check(Stage(scenario, trigger), trigger)
        watch.cancel_scope.cancel()


async def _perform_and_check(stage: Stage, trigger: Trigger) -> None:
    async with trio.open_nursery() as nursery:
        try:
            with trigger.watching_threads():
                await _perform_acts(stage, nursery)
        finally:
            with trio.CancelScope(shield=True):
                for guest in stage.guests:
                    await guest.leave()
        _check_end(stage)
        nursery.cancel_scope.cancel()


async def _perform_acts(stage: Stage, nursery: trio.Nursery) -> None:
    await nursery.start(_serve, stage)
    ground = await _set_up(stage, nursery)
    stage.trigger.arm(stage)
    await _play(stage)
    stage.trigger.disarm()
    await _check_guests(stage, nursery)
    if not (stage.scenario.closing or (stage.trigger.fired and stage.trigger.target == "server")):
        await _check_server(stage, nursery, ground)
    stage.curtain.set()
    await _until(lambda: stage.root not in _tasks(), "the server is closed")


async def _serve(stage: Stage, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Be the application."""
    stage.root = trio.lowlevel.current_task()
    stage.trigger.serve(stage.root)
    scenario = stage.scenario
    defaults = {"port": 0, "grace": 2 * HANG, "link_timeout": 2 * HANG, "failure_delay": 0.001}
    if "ticket" not in scenario.settings:
        defaults["disable_ticketing"] = True
    stage.server = Server(Settings(**{**defaults, **scenario.settings}))
    if scenario.settings.get("name") != "keys of its own":
        stage.server._keys = Keys()  # type: ignore[assignment]
    with stage.scope("server"), stage.server.events() as stage.events:
        async with stage.server.opened(), trio.open_nursery() as stage.nursery:
            stage.display = await stage.nursery.start(stage.hold, "display", stage.server.open_display(*scenario.size))
            stage.inputs = await stage.nursery.start(stage.hold, "inputs", stage.server.open_inputs())
            if scenario.sound:
                stage.playback = await stage.nursery.start(stage.hold, "playback", stage.server.open_playback())
                stage.record = await stage.nursery.start(stage.hold, "record", stage.server.open_record())
            task_status.started()


class Keys(StockedKeys):
    """Keys that need not be made."""

    async def run(self) -> NoReturn:
        await trio.sleep_forever()
        raise AssertionError


async def _set_up(stage: Stage, nursery: trio.Nursery) -> Ground:
    """Let the bystander come, and note what there is then."""
    if stage.scenario.bystander:
        password = stage.scenario.settings.get("ticket", "")
        bystander = stage.bystander = stage.guest(password=password)
        await bystander.come()
        channel = await bystander.open_display()
        await bystander.watch(channel, lambda screen: screen.marked)
        bystander.pump(nursery.start_soon)
        stage.residents = stage.server.clients.value
        stage.scopes.pop("connection", None)
    await wait_all_tasks_blocked()
    return Ground.now(stage)


async def _play(stage: Stage) -> None:
    """Play the scenario to its end; if the target was cancelled, until nothing happens any more."""
    played = trio.Event()

    async def act() -> None:
        async with trio.open_nursery() as parts:
            with _ends_expected(stage):
                await stage.scenario.peers(stage)
            if stage.scenario.application is not None:
                await applied.wait()
            parts.cancel_scope.cancel()
        played.set()

    async def apply() -> None:
        try:
            with stage.scope("application"), _ends_expected(stage):
                assert stage.scenario.application is not None
                await stage.scenario.application(stage)
        finally:
            applied.set()

    applied = trio.Event()
    if stage.scenario.application is not None:
        stage.nursery.start_soon(apply)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def stop() -> None:
            await stage.trigger.event.wait()
            await wait_all_tasks_blocked(0.001)
            if "application" in stage.scopes:
                stage.scopes["application"].cancel()
            nursery.cancel_scope.cancel()

        await act()
        nursery.cancel_scope.cancel()
    if stage.scenario.application is not None:
        await applied.wait()


@contextmanager
def _ends_expected(stage: Stage) -> Iterator[None]:
    try:
        yield
    except* GONE:
        if not stage.trigger.fired:
            raise


async def _check_guests(stage: Stage, nursery: trio.Nursery) -> None:
    """Check that all who were to end did, and nobody else."""
    if stage.scenario.cut:
        await trio.sleep(2 * stage.server.settings.grace)
    for guest in stage.guests:
        guest.pump(nursery.start_soon)
    first = next((guest for guest in stage.guests if guest.channels and guest is not stage.bystander), None)
    nobody = frozenset[ChannelType]()
    of_first, of_others = ENDS.get(stage.trigger.target, (None, nobody)) if stage.trigger.fired else (nobody, nobody)
    if stage.scenario.closing:
        of_first = of_others = ALL
    for guest in stage.guests:
        ends = of_first if guest is first else of_others
        for channel, pump in guest.pumps.items():
            if ends is None or channel.stream.closed:
                continue
            if channel.type in ends:
                await pump.ended.wait()
            elif channel.type == ChannelType.MAIN and not stage.notes.get("taken over"):
                await pump.answers()


async def _check_server(stage: Stage, nursery: trio.Nursery, ground: Ground) -> None:
    """Check that the server serves on, that the picture is right everywhere, and that nobody has left anything."""
    truth = await _last_picture(stage)
    for guest in stage.guests:
        await guest.sees(truth)
        if guest is not stage.bystander:
            await guest.leave()
    await ground.comes_again(stage)
    if not stage.full:
        newcomer = stage.guest(password=stage.scenario.settings.get("ticket", ""))
        await newcomer.come()
        channels = await newcomer.list_channels()
        assert channels == {key for key in stage.server.channels if key[0] != ChannelType.MAIN}
        if (ChannelType.DISPLAY, 0) in channels:
            await newcomer.open_display()
        newcomer.pump(nursery.start_soon)
        await newcomer.sees(truth)
        await newcomer.leave()
        await ground.comes_again(stage)
    for guest in stage.guests:
        await guest.leave()
    await _until(lambda: not stage.server.clients.value, "all viewers have left")


async def _last_picture(stage: Stage) -> bytes:
    """Check that each draw happened wholly or not at all; draw once more, and return the picture."""
    if (ChannelType.DISPLAY, 0) not in stage.server._channels:
        return b""
    picture = await stage.display.read()
    if stage.scenario.pictures:
        possible = stage.scenario.pictures[stage.drawn : stage.begun + 1]
        assert picture in possible, f"after draw {stage.drawn} of {stage.begun} the picture is another one"
    await stage.display.fill(3, 2, 5, 4, 0x102030)
    return await stage.display.read()


def _check_end(stage: Stage) -> None:
    """Check that of the server nothing is left."""
    assert not [task.name for task in _tasks() if stage.trigger.is_below(task)]
    assert active_thread_count() == 0, "a thread is busy"
    assert not stage.server._events._readers
    assert not stage.server._half_open
    assert not stage.server.clients.value
    assert not stage.server._channels
    for channel in stage.channels.values():
        assert not channel._clients, f"{channel!r} has viewers"
        assert not isinstance(channel, Display) or not _left_at(channel), f"{channel!r} has {_left_at(channel)}"
    kinds = {kind: Counter[int]() for kind in EventKind}
    for event in list(stage.events._events):
        kinds[event.kind][event.connection] += 1
    assert kinds[EventKind.CONNECTED] == kinds[EventKind.DISCONNECTED], f"the events are {kinds}"
    assert set(kinds[EventKind.DISCONNECTED].values()) <= {1}, f"the events are {kinds}"
    goodbye = GOODBYE if stage.trigger.target == "client.end" and stage.trigger.fired else None
    for guest in stage.guests:
        for tap in guest.taps:
            check_bytes(tap, cut=stage.scenario.cut, goodbye=None if guest is stage.bystander else goodbye)
    stage.scenario.check(stage)


def _left_at(display: Display) -> dict[str, Any]:
    """Return what is left at a bridge whose display is closed."""
    worker = display.worker
    left = {
        "viewers": worker._viewers,
        "draws": worker._under_way,
        "jobs": worker._jobs.statistics().current_buffer_used,
        "waiting": worker._room.statistics().tasks_waiting,
        "credits": worker._credits,
    }
    return {name: value for name, value in left.items() if value}


@dataclass(frozen=True)
class Ground:
    """What there is at a server while nothing happens."""

    tasks: Counter[str]
    """Names of the server's tasks."""
    half_open: int
    """Connections in the link stage."""
    clients: tuple[Client, ...]
    """The viewers."""
    registered: dict[tuple[int, int], tuple[Any, ...]]
    """For each channel, its viewers; of displays also at the bridge and in the picture, with what waits there."""

    @classmethod
    def now(cls, stage: Stage) -> Ground:
        """Look."""
        server = stage.server
        stage.channels.update(server._channels)
        tasks = Counter(task.name for task in _tasks() if stage.trigger.is_below(task))
        registered = {key: cls._registered(channel) for key, channel in server._channels.items()}
        return cls(tasks, len(server._half_open), server.clients.value, registered)

    async def comes_again(self, stage: Stage) -> None:
        """Wait until there is the same again; without the channels that were closed since."""
        await _until(lambda: self._is_again(stage), lambda: f"{self} comes again, but there is {Ground.now(stage)}")

    def _is_again(self, stage: Stage) -> bool:
        now = Ground.now(stage)
        same = {key: self.registered.get(key) for key in now.registered}
        closed = self.registered.keys() - now.registered.keys()
        return (
            now.registered == same
            and now.half_open == self.half_open
            and now.clients == self.clients
            and (now.tasks < self.tasks if closed else now.tasks == self.tasks)
        )

    @staticmethod
    def _registered(channel: Any) -> tuple[Any, ...]:
        if not isinstance(channel, Display):
            return (tuple(channel._clients),)
        worker = channel.worker
        viewers = set(worker._viewers)
        assert worker._sated <= viewers
        assert viewers.issuperset(worker._credits)
        return (tuple(channel._clients), viewers, set(worker._picture._viewers), len(worker._under_way), worker._bytes)


def _tasks() -> list[trio.lowlevel.Task]:
    """Return all tasks of this run."""
    root = trio.lowlevel.current_root_task()
    found = [root] if root else []
    for task in found:
        for nursery in task.child_nurseries:
            found += nursery.child_tasks
    return found


def _describe(task: trio.lowlevel.Task) -> str:
    """Return where a task is, in our own code."""
    ours = str(Path(spicetrio.__file__).parent)
    frames = [(frame, line) for frame, line in task.iter_await_frames() if frame.f_code.co_filename.startswith(ours)]
    if not frames:
        return task.name
    frame, line = frames[-1]
    return f"{task.name}: {Path(frame.f_code.co_filename).name}:{line} in {frame.f_code.co_name}"


async def _until(condition: Callable[[], bool], what: str | Callable[[], str]) -> None:
    with trio.move_on_after(HANG / 3):
        while not condition():  # noqa: ASYNC110 - nothing tells
            await trio.sleep(0.0002)
        return
    raise AssertionError(f"waited in vain until {what if isinstance(what, str) else what()}")


async def _watch_for_hang(trigger: Trigger) -> None:
    """Say where everybody is if a run does not end; then cancel everything, shielded or not."""
    await trio.sleep(HANG)
    trigger.where += ["and then it hung, with all tasks at", *map(_describe, _tasks())]
    with trio.CancelScope() as own:
        for _ in range(20):  # what is cancelled may open further shields
            for task in _tasks():
                status: Any = task._cancel_status
                while status is not None and task is not trio.lowlevel.current_task():
                    status._scope.cancel()
                    status = status._parent
            own.shield = True
            await trio.sleep(0.05)
    raise AssertionError(f"it did not end within {HANG} s")


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """Collect what the server logs about faults, its own and of peers, which make none here."""
    complaints: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            complaints.append(self.format(record))

    collector = Collector(logging.WARNING)
    logger = logging.getLogger("spicetrio")
    logger.addHandler(collector)
    try:
        yield complaints
    finally:
        logger.removeHandler(collector)
