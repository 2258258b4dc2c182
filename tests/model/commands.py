"""What can happen in a session, as values: printed they can be run again, and Hypothesis can leave out any of them.

Numbers are taken modulo what there is to choose from at that moment, so each command means something at any time; one
that cannot mean anything (no viewer to drop) is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from hypothesis import strategies as st

Area = tuple[int, int, int, int]
"""Left, top, width - 1, height - 1, modulo what the display has."""

Caps = Literal["mini", "full", "none"]
Compression = Literal["AUTO_LZ", "OFF", "AUTO_GLZ", "QUIC", "GLZ", "LZ", "LZ4"]
Transport = Literal["tcp", "unix", "pair"]
Channel = Literal["main", "display", "cursor", "inputs"]


@dataclass(frozen=True)
class Setup:
    """How the server begins."""

    compression: Compression = "AUTO_LZ"
    ack_window: int = 20
    max_viewers: int = 100
    take_over: bool = False
    settles: bool = False
    """After each command everything that must hold is looked at; else much is under way at once."""


@dataclass(frozen=True)
class OpenDisplay:
    width: int
    height: int


@dataclass(frozen=True)
class CloseDisplay:
    display: int


@dataclass(frozen=True)
class Resize:
    display: int
    width: int
    height: int


@dataclass(frozen=True)
class Fill:
    display: int
    area: Area
    color: int


@dataclass(frozen=True)
class DrawImage:
    display: int
    area: Area
    seed: int
    cancelled: bool = False


@dataclass(frozen=True)
class CopyArea:
    display: int
    area: Area
    src_x: int
    src_y: int


@dataclass(frozen=True)
class DrawFrame:
    """Scroll an area, then change others; tell the server of none, of them, or of more than them."""

    display: int
    scrolled: Area | None
    dx: int
    dy: int
    changed: tuple[Area, ...]
    damage: Literal["unknown", "exact", "more"]
    seed: int


@dataclass(frozen=True)
class Burst:
    """Many small draws at once."""

    display: int
    count: int
    seed: int


@dataclass(frozen=True)
class Read:
    display: int
    area: Area


@dataclass(frozen=True)
class MovePointer:
    display: int
    how: Literal["set", "move", "hide", "show"]
    seed: int


@dataclass(frozen=True)
class OpenInputs:
    absolute: bool


@dataclass(frozen=True)
class CloseInputs:
    pass


@dataclass(frozen=True)
class PauseInputs:
    """The application takes no events until everybody settles."""


@dataclass(frozen=True)
class SetLocks:
    locks: int


@dataclass(frozen=True)
class Join:
    """A viewer comes, and takes all channels there are."""

    ticket: int
    caps: Caps
    lz4: bool
    transport: Transport
    withhold_init: bool = False


@dataclass(frozen=True)
class Attach:
    """A viewer takes the channels that it does not have."""

    viewer: int


@dataclass(frozen=True)
class Knock:
    """Somebody connects who never becomes a viewer."""

    how: Literal["silent", "garbage", "partial", "wrong ticket", "wrong id", "wrong channel", "gone"]


@dataclass(frozen=True)
class Stall:
    viewer: int
    channel: Channel
    how: Literal["read", "acknowledge"]


@dataclass(frozen=True)
class Resume:
    viewer: int


@dataclass(frozen=True)
class Prefer:
    viewer: int
    compression: Compression


@dataclass(frozen=True)
class ChooseMode:
    viewer: int
    client: bool


@dataclass(frozen=True)
class Type:
    """Keys go down and up."""

    viewer: int
    keys: tuple[tuple[int, bool], ...]


@dataclass(frozen=True)
class Point:
    """The pointer moves; buttons are told as they are, or as all up."""

    viewer: int
    x: int
    y: int
    truthful: bool


@dataclass(frozen=True)
class Click:
    viewer: int
    button: int
    down: bool


@dataclass(frozen=True)
class TellLocks:
    viewer: int
    locks: int


@dataclass(frozen=True)
class Drop:
    """A connection ends by the viewer's doing."""

    viewer: int
    channel: Channel
    how: Literal["goodbye", "close", "reset", "half", "garbage", "oversize"]


@dataclass(frozen=True)
class End:
    viewer: int
    reason: str


@dataclass(frozen=True)
class SetTickets:
    valid: tuple[bool, bool, bool]


@dataclass(frozen=True)
class BeginDrain:
    pass


@dataclass(frozen=True)
class CancelDrain:
    pass


@dataclass(frozen=True)
class OpenReader:
    pass


@dataclass(frozen=True)
class CloseReader:
    reader: int


@dataclass(frozen=True)
class PassTime:
    """Longer than anybody may be silent."""


@dataclass(frozen=True)
class Settle:
    """Wait until everybody has what they are due, and look at everything."""


Command = (
    OpenDisplay | CloseDisplay | Resize | Fill | DrawImage | CopyArea | DrawFrame | Burst | Read | MovePointer
    | OpenInputs | CloseInputs | PauseInputs | SetLocks | Join | Attach | Knock | Stall | Resume | Prefer | ChooseMode
    | Type | Point | Click | TellLocks | Drop | End | SetTickets | BeginDrain | CancelDrain | OpenReader | CloseReader
    | PassTime | Settle
)  # fmt: skip

WIDEST, HIGHEST = 120, 90
KEYS = (0x1E, 0x2A, 0x3A, 0xE01D, 0xE11D45)
"""A, shift, caps lock, right ctrl, pause."""

which = st.integers(0, 3)
seeds = st.integers(0, 2**16)
areas = st.tuples(*[st.integers(0, WIDEST - 1)] * 4)
channels = st.sampled_from(["display", "display", "main", "cursor", "inputs"])
sizes = st.tuples(st.integers(1, WIDEST), st.integers(1, HIGHEST)) | st.just((WIDEST, HIGHEST))

setups = st.builds(
    Setup,
    compression=st.sampled_from(get_args(Compression)),
    ack_window=st.sampled_from([20, 3, 1]),
    max_viewers=st.sampled_from([100, 3, 2]),
    take_over=st.booleans(),
    settles=st.sampled_from([False, False, False, True]),
)

_joins = st.builds(
    Join,
    ticket=st.sampled_from([0, 0, 0, 1, 2]),
    caps=st.sampled_from(["mini", "full", "none"]),
    lz4=st.booleans(),
    transport=st.sampled_from(["pair", "unix", "tcp"]),
    withhold_init=st.sampled_from([False, False, False, True]),
)
_frames = st.builds(
    DrawFrame,
    display=which,
    scrolled=st.none() | areas | st.just((0, 0, WIDEST - 1, HIGHEST - 1)),
    dx=st.sampled_from([0, 0, 3, -7]),
    dy=st.integers(-24, 24),
    changed=st.lists(areas, max_size=3).map(tuple),
    damage=st.sampled_from(["unknown", "exact", "more"]),
    seed=seeds,
)
_draws = st.one_of(
    st.builds(Fill, which, areas, st.integers(0, 0xFFFFFF)),
    st.builds(DrawImage, which, areas, seeds, st.sampled_from([False] * 7 + [True])),
    st.builds(CopyArea, which, areas, st.integers(0, WIDEST), st.integers(0, HIGHEST)),
    _frames,
    st.builds(Burst, which, st.integers(1, 60), seeds),
)
_drops = st.builds(Drop, which, channels, st.sampled_from(["goodbye", "close", "reset", "half", "garbage", "oversize"]))
_inputs = st.one_of(
    st.builds(
        Type, which, st.lists(st.tuples(st.sampled_from(KEYS), st.booleans()), min_size=1, max_size=12).map(tuple)
    ),
    st.builds(Point, which, st.integers(-5, 100), st.integers(-5, 100), st.booleans()),
    st.builds(Click, which, st.sampled_from([1, 1, 2, 3, 4, 5, 6, 16]), st.booleans()),
    st.builds(TellLocks, which, st.integers(0, 7)),
    st.builds(ChooseMode, which, st.booleans()),
)
_application = st.one_of(
    st.builds(Resize, which, st.integers(1, WIDEST), st.integers(1, HIGHEST)),
    sizes.map(lambda size: OpenDisplay(*size)),
    st.builds(CloseDisplay, which),
    st.builds(Read, which, areas),
    st.builds(MovePointer, which, st.sampled_from(["set", "set", "move", "hide", "show"]), st.integers(0, 9)),
    st.builds(OpenInputs, st.booleans()),
    st.just(CloseInputs()),
    st.just(PauseInputs()),
    st.builds(SetLocks, st.integers(0, 7)),
)
_server = st.one_of(
    st.builds(End, which, st.sampled_from(["", "maintenance"])),
    st.tuples(st.booleans(), st.booleans(), st.booleans()).map(SetTickets),
    st.just(BeginDrain()),
    st.just(CancelDrain()),
    st.just(OpenReader()),
    st.builds(CloseReader, which),
    st.builds(
        Knock,
        st.sampled_from(["silent", "garbage", "partial", "wrong ticket", "wrong id", "wrong channel", "gone"]),
    ),
    st.just(PassTime()),
)
_viewers = st.one_of(
    _joins,
    st.builds(Attach, which),
    st.builds(Stall, which, channels, st.sampled_from(["read", "acknowledge"])),
    st.builds(Resume, which),
    st.builds(Prefer, which, st.sampled_from(get_args(Compression))),
    _drops,
)
_settles = st.just(Settle())

any_command: st.SearchStrategy[Command] = st.one_of(
    _draws, _draws, _draws, _viewers, _viewers, _inputs, _application, _server, _settles, _settles
)
sessions: st.SearchStrategy[list[Command]] = st.builds(
    lambda size, joins, parts: [OpenDisplay(*size), OpenInputs(True), *joins, *[one for part in parts for one in part]],
    sizes,
    st.lists(_joins, max_size=3),
    st.lists(st.lists(any_command, max_size=12), max_size=12),  # lists of lists, as Hypothesis makes short lists
)
