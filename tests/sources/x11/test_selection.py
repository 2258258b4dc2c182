from __future__ import annotations

import os
import random
import subprocess

import pytest
import trio

from spicetrio import ClipboardError, ClipboardType, Selection
from tests.clients.processes import need
from tests.sources.x11.conftest import share
from tests.sources.x11.recording import RecordingAgent, offered, viewers_offer
from tests.sources.x11.selecting import SelectionClient

LARGE = random.Random(1).randbytes(2_000_000)
TEXT = "Zwölf Boxkämpfer\njagen Viktor 🥊\n".encode()

contents = pytest.mark.parametrize(
    ("kind", "target", "data"),
    [
        (ClipboardType.UTF8_TEXT, "UTF8_STRING", TEXT),
        (ClipboardType.UTF8_TEXT, "UTF8_STRING", LARGE.hex().encode()),
        (ClipboardType.IMAGE_PNG, "image/png", LARGE),
        (ClipboardType.IMAGE_BMP, "image/bmp", b"BM"),
        (ClipboardType.IMAGE_TIFF, "image/tiff", LARGE[:65_536]),
        (ClipboardType.IMAGE_JPG, "image/jpeg", LARGE[:65_537]),
    ],
    ids=["text", "large text", "png", "bmp", "tiff", "jpg"],
)


@pytest.fixture
def xclip() -> None:
    need("xclip", "xclip")


async def copy(environment: dict[str, str], data: bytes, *, selection: str = "clipboard", target: str) -> None:
    # It goes on by itself, as the owner, until it is not that any more or its X server ends.
    command = ["xclip", "-selection", selection, "-in", "-target", target]
    await trio.run_process(command, stdin=data, stdout=subprocess.DEVNULL, env=environment)


async def paste(environment: dict[str, str], *, selection: str = "clipboard", target: str) -> bytes:
    command = ["xclip", "-selection", selection, "-out", "-target", target]
    with trio.fail_after(15):
        return (await trio.run_process(command, capture_stdout=True, env=environment)).stdout


@contents
async def test_what_a_program_copies_can_be_pasted_by_viewers(
    agent: RecordingAgent, xvfb: dict[str, str], xclip: None, kind: ClipboardType, target: str, data: bytes
) -> None:
    await copy(xvfb, data, target=target)
    offer = await offered(agent, agent.clipboards[Selection.CLIPBOARD])
    assert offer.types == (kind,)
    with trio.fail_after(15):
        assert await offer.read(kind) == data


@contents
async def test_what_viewers_copy_can_be_pasted_by_programs(
    agent: RecordingAgent,
    xvfb: dict[str, str],
    client: SelectionClient,
    xclip: None,
    kind: ClipboardType,
    target: str,
    data: bytes,
) -> None:
    viewers_offer(agent.clipboards[Selection.CLIPBOARD], **{kind.name: data})
    await client.until_owned("CLIPBOARD")
    assert await paste(xvfb, target=target) == data


@pytest.mark.parametrize("selection", Selection)
async def test_each_selection_is_the_clipboard_of_its_name(
    agent: RecordingAgent, xvfb: dict[str, str], client: SelectionClient, xclip: None, selection: Selection
) -> None:
    clipboard = agent.clipboards[selection]
    await copy(xvfb, b"from X", selection=selection.name.lower(), target="UTF8_STRING")
    offer = await offered(agent, clipboard)
    assert await offer.read(ClipboardType.UTF8_TEXT) == b"from X"
    owner = client.owner(selection.name)
    viewers_offer(clipboard, UTF8_TEXT=b"from a viewer")
    with trio.fail_after(10):
        while client.owner(selection.name) == owner:  # noqa: ASYNC110
            await trio.sleep(0.01)
    assert await paste(xvfb, selection=selection.name.lower(), target="UTF8_STRING") == b"from a viewer"
    others = set(Selection) - {selection}
    assert not any(client.owner(other.name) or agent.clipboards[other].current for other in others)


async def test_what_was_copied_before_we_came_is_offered(xvfb: dict[str, str], client: SelectionClient) -> None:
    client.own("CLIPBOARD")
    async with share(xvfb) as agent, trio.open_nursery() as nursery:
        nursery.start_soon(client.serve, {"STRING": ("STRING", b"na\xefve")})
        offer = await offered(agent, agent.clipboards[Selection.CLIPBOARD])
        assert await offer.read(ClipboardType.UTF8_TEXT) == "naïve".encode()
        nursery.cancel_scope.cancel()


async def test_what_a_viewer_offers_is_not_offered_back(agent: RecordingAgent, client: SelectionClient) -> None:
    clipboard = agent.clipboards[Selection.CLIPBOARD]
    offers = [viewers_offer(clipboard, UTF8_TEXT=b"one")]
    owner = await client.until_owned("CLIPBOARD")
    assert await client.paste("CLIPBOARD", "UTF8_STRING") == ("UTF8_STRING", b"one")
    offers.append(viewers_offer(clipboard, UTF8_TEXT=b"two", IMAGE_PNG=b"image"))
    with trio.fail_after(10):
        while await client.paste("CLIPBOARD", "image/png") is None:
            pass
    await trio.sleep(0.3)  # longer than an offer of ours would take
    assert client.owner("CLIPBOARD") == owner
    assert clipboard.current is clipboard.offered.value is offers[1]


async def test_a_viewer_that_withdraws_or_leaves_owns_nothing(agent: RecordingAgent, client: SelectionClient) -> None:
    clipboard = agent.clipboards[Selection.PRIMARY]
    offer = viewers_offer(clipboard, UTF8_TEXT=b"text")
    await client.until_owned("PRIMARY")
    clipboard.release(offer)
    await client.until_owned("PRIMARY", False)
    # And in the same step, before we own anything.
    clipboard.release(viewers_offer(clipboard, UTF8_TEXT=b"text"))
    clipboard.grab(offer)
    clipboard.release(offer)
    await trio.sleep(0.2)
    assert not client.owner("PRIMARY")


async def test_what_no_program_could_paste_is_not_owned(agent: RecordingAgent, client: SelectionClient) -> None:
    clipboard = agent.clipboards[Selection.CLIPBOARD]
    viewers_offer(clipboard, UTF8_TEXT=b"text")
    await client.until_owned("CLIPBOARD")
    viewers_offer(clipboard, FILE_LIST=b"copy")
    await client.until_owned("CLIPBOARD", False)


async def test_a_program_that_copies_later_is_not_disowned(agent: RecordingAgent, client: SelectionClient) -> None:
    clipboard = agent.clipboards[Selection.CLIPBOARD]
    offer = viewers_offer(clipboard, UTF8_TEXT=b"text")
    ours = await client.until_owned("CLIPBOARD")
    window = client.own("CLIPBOARD")
    clipboard.release(offer)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.serve, {"UTF8_STRING": ("UTF8_STRING", b"later")})
        assert await (await offered(agent, clipboard)).read(ClipboardType.UTF8_TEXT) == b"later"
        nursery.cancel_scope.cancel()
    assert client.owner("CLIPBOARD") == window != ours


async def test_a_program_that_ends_offers_nothing_any_more(agent: RecordingAgent, client: SelectionClient) -> None:
    clipboard = agent.clipboards[Selection.CLIPBOARD]
    window = client.own("CLIPBOARD")
    client.name_targets(await client.request(), "UTF8_STRING")
    await offered(agent, clipboard)
    client.destroy(window)
    await agent.until(lambda: clipboard.current is None)


async def test_what_no_viewer_can_take_is_not_offered(agent: RecordingAgent, client: SelectionClient) -> None:
    clipboard = agent.clipboards[Selection.CLIPBOARD]
    window = client.own("CLIPBOARD")
    client.name_targets(await client.request(), "UTF8_STRING")
    await offered(agent, clipboard)
    client.own("CLIPBOARD", window)
    client.name_targets(await client.request(), "TARGETS", "application/x-something")
    await agent.until(lambda: clipboard.current is None)


async def test_the_latest_of_many_owners_is_offered(agent: RecordingAgent, client: SelectionClient) -> None:
    clipboard = agent.clipboards[Selection.PRIMARY]
    for _ in range(50):
        client.own("PRIMARY")  # none of them answers
    client.own("PRIMARY")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.serve, {"UTF8_STRING": ("UTF8_STRING", b"the last")})
        assert await (await offered(agent, clipboard)).read(ClipboardType.UTF8_TEXT) == b"the last"
        nursery.cancel_scope.cancel()
    assert len(client.requests) < 10, "every owner was asked"


async def test_when_sharing_ends_nothing_is_owned(xvfb: dict[str, str], client: SelectionClient) -> None:
    async with share(xvfb) as agent:
        viewers_offer(agent.clipboards[Selection.CLIPBOARD], UTF8_TEXT=b"text")
        await client.until_owned("CLIPBOARD")
    await client.until_owned("CLIPBOARD", False)


async def test_large_things_go_both_ways_at_once(xvfb: dict[str, str], client: SelectionClient, xclip: None) -> None:
    data = os.urandom(1_000_000)
    async with share(xvfb) as agent:
        clipboard, primary = (agent.clipboards[which] for which in (Selection.CLIPBOARD, Selection.PRIMARY))
        await copy(xvfb, data, target="image/png")
        offer = await offered(agent, clipboard)
        viewers_offer(primary, IMAGE_PNG=data)
        await client.until_owned("PRIMARY")
        results = []

        async def from_x() -> None:
            results.append(await offer.read(ClipboardType.IMAGE_PNG))

        async def from_viewer() -> None:
            results.append(await paste(xvfb, selection="primary", target="image/png"))

        with trio.fail_after(15):
            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(from_x)
                    nursery.start_soon(from_viewer)
        assert results == [data] * 8


async def test_a_type_that_a_program_does_not_have_any_more(agent: RecordingAgent, client: SelectionClient) -> None:
    client.own("CLIPBOARD")
    client.name_targets(await client.request(), "UTF8_STRING", "image/png")
    offer = await offered(agent, agent.clipboards[Selection.CLIPBOARD])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.serve, {})
        with pytest.raises(ClipboardError, match="does not give it"):
            await offer.read(ClipboardType.IMAGE_PNG)
        nursery.cancel_scope.cancel()
