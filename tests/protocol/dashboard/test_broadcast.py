"""One look for all who watch, none while nobody does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.support.waiting import until
from trunkline.protocol.dashboard import broadcast as broadcast_module
from trunkline.protocol.dashboard.broadcast import KEPT, Broadcast, Viewer
from trunkline.protocol.errors import LayerUnavailable

SOON_S = 5.0


class Looks:
    """A gatherer that counts, and fails or hangs where it is told to."""

    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None
        self.error_at_cancel: Exception | None = None
        self.hangs = False

    async def __call__(self) -> dict[str, Any]:
        self.count += 1
        if self.hangs:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if self.error_at_cancel is not None:
                    raise self.error_at_cancel from None
                raise
        if self.error is not None:
            raise self.error
        return {"totals": {"at_s": self.count}, "text": "<b>"}


def joined(broadcast: Broadcast, last_id: str = "") -> Viewer:
    viewer = broadcast.join(last_id)
    assert viewer is not None
    return viewer


async def taken(viewer: Viewer) -> tuple[str, Any]:
    """Type and data of the next event."""
    event = await viewer.take(SOON_S)
    assert event is not None
    fields = dict(line.split(": ", 1) for line in event.decode().strip().splitlines())
    return fields["event"], json.loads(fields["data"])


async def test_nobody_looks_until_somebody_watches() -> None:
    looks = Looks()
    broadcast = Broadcast(looks, interval_s=0.001)
    await asyncio.sleep(0)

    assert (looks.count, broadcast.viewers) == (0, 0)


async def test_all_who_watch_share_one_look() -> None:
    looks = Looks()
    broadcast = Broadcast(looks, interval_s=60.0)
    viewers = [joined(broadcast) for _ in range(3)]

    events = [await viewer.take(SOON_S) for viewer in viewers]

    assert looks.count == 1 and events[0] is not None
    assert events[1] is events[0] and events[2] is events[0]
    await broadcast.close()


async def test_who_comes_later_is_given_the_newest_at_once_but_not_twice() -> None:
    looks = Looks()
    broadcast = Broadcast(looks, interval_s=60.0)
    first = joined(broadcast)
    event = await first.take(SOON_S)
    assert event is not None and event.startswith(f"id: {broadcast.newest_id}\n".encode())

    assert await joined(broadcast).take(SOON_S) == event
    assert await joined(broadcast, "another-7").take(SOON_S) == event
    assert await joined(broadcast, broadcast.newest_id).take(0.0) is None
    assert looks.count == 1
    await broadcast.close()


async def test_when_the_last_has_left_nobody_looks_any_more() -> None:
    looks = Looks()
    broadcast = Broadcast(looks, interval_s=0.001)
    one, other = joined(broadcast), joined(broadcast)
    await until(lambda: looks.count >= 3)
    broadcast.leave(one)
    broadcast.leave(one)
    seen = looks.count
    await until(lambda: looks.count > seen)  # the other still watches

    broadcast.leave(other)
    seen = looks.count
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert looks.count == seen

    # and the next who comes has it begin again
    viewer = joined(broadcast)
    assert (await taken(viewer))[1]["totals"]["at_s"] > seen
    await broadcast.close()


async def test_a_look_under_way_is_ended_when_the_last_leaves() -> None:
    looks = Looks()
    looks.hangs = True
    broadcast = Broadcast(looks)
    viewer = joined(broadcast)
    await until(lambda: looks.count == 1)
    tasks = {task for task in asyncio.all_tasks() if task.get_name() == "dashboard"}
    broadcast.leave(viewer)

    await asyncio.wait(tasks, timeout=SOON_S)
    assert len(tasks) == 1 and all(task.cancelled() for task in tasks)


async def test_no_more_may_watch_than_the_limit() -> None:
    broadcast = Broadcast(Looks(), interval_s=60.0, limit=2)
    one = joined(broadcast)
    joined(broadcast)
    assert broadcast.join() is None

    broadcast.leave(one)
    joined(broadcast)
    assert broadcast.viewers == 2
    await broadcast.close()


async def test_who_reads_slowly_keeps_one_event_the_newest() -> None:
    looks = Looks()
    broadcast = Broadcast(looks, interval_s=0.001)
    slow = joined(broadcast)
    await until(lambda: looks.count > 5)
    seen = looks.count - 1

    assert (await taken(slow))[1]["totals"]["at_s"] >= seen
    await broadcast.close()


async def test_a_viewer_waits_no_longer_than_it_says() -> None:
    viewer = Viewer()
    assert await viewer.take(0.001) is None


async def test_closing_sends_everybody_away_and_keeps_what_they_have_not_taken() -> None:
    broadcast = Broadcast(Looks(), interval_s=60.0)
    viewer = joined(broadcast)
    waiting = asyncio.create_task(joined(broadcast).take(SOON_S))
    await until(waiting.done)
    await broadcast.close()
    await broadcast.close()

    assert viewer.closed and broadcast.viewers == 0
    assert await viewer.take(SOON_S) is not None
    assert await viewer.take(SOON_S) is None  # at once


async def test_while_the_layer_does_not_answer_viewers_are_told_and_looking_goes_on() -> None:
    looks = Looks()
    looks.error = LayerUnavailable("Redis is away")
    broadcast = Broadcast(looks, interval_s=0.001)
    viewer = joined(broadcast)
    assert await taken(viewer) == ("trouble", {"text": "Redis is away"})

    looks.error = None
    while (event := await taken(viewer))[0] == "trouble":
        pass
    assert event[0] == "facts"
    await broadcast.close()


async def test_a_look_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast_module, "LOOK_LIMIT_S", 0.01)
    looks = Looks()
    looks.hangs = True
    broadcast = Broadcast(looks, interval_s=0.001)

    kind, data = await taken(joined(broadcast))
    assert (kind, data["text"]) == ("trouble", "a look at the cluster took over 0.01 s")
    await broadcast.close()


async def test_a_mistake_in_a_look_ends_the_streams_is_logged_and_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    looks = Looks()
    looks.error = RuntimeError("ours")
    broadcast = Broadcast(looks)
    viewer = joined(broadcast)

    assert await viewer.take(SOON_S) is None
    assert viewer.closed and broadcast.viewers == 0
    assert caplog.messages == ["the dashboard's look at the cluster failed"]

    looks.error = None
    assert (await taken(joined(broadcast)))[0] == "facts"
    await broadcast.close()


async def test_a_mistake_in_a_look_that_nobody_waits_for_any_more_ends_no_other_stream(
    caplog: pytest.LogCaptureFixture,
) -> None:
    looks = Looks()
    looks.hangs = True
    looks.error_at_cancel = RuntimeError("ours")
    broadcast = Broadcast(looks, interval_s=60.0)
    viewer = joined(broadcast)
    await until(lambda: looks.count == 1)
    broadcast.leave(viewer)
    looks.hangs = False
    other = joined(broadcast)

    await until(lambda: bool(caplog.messages))
    assert (await taken(other))[0] == "facts" and not other.closed
    await broadcast.close()


async def test_newcomers_see_the_past_up_to_a_bound() -> None:
    looks = Looks()
    broadcast = Broadcast(looks, interval_s=60.0, sleep=lambda _: asyncio.sleep(0))
    viewer = joined(broadcast)
    await until(lambda: looks.count > KEPT + 5)
    past = [totals["at_s"] for totals in broadcast.past()]

    assert past == list(range(past[0], past[0] + KEPT))
    broadcast.leave(viewer)


async def test_a_gap_ends_the_past(monkeypatch: pytest.MonkeyPatch) -> None:
    broadcast = Broadcast(Looks(), interval_s=60.0)
    assert broadcast.past() == []
    viewer = joined(broadcast)
    await viewer.take(SOON_S)
    assert broadcast.past() == [{"at_s": 1}]
    broadcast.leave(viewer)

    broadcast.interval_s = 0.0  # any time is more than three intervals now
    assert broadcast.past() == []
