"""Dead letters: what a worker writes down."""

from __future__ import annotations

from tests.support.fake_worker_layer import WORKER, Desk, delivery, frames, letters
from trunkline.protocol.codec import decode_dead_letter, decode_entry
from trunkline.protocol.errors import CodecError
from trunkline.protocol.messages import Delivery, Entry
from trunkline.protocol.names import RECEIVE, ReplyName
from trunkline.protocol.tracks import on_track
from trunkline.worker import Message, route
from trunkline.worker.letters import Failure, garbage, letter
from trunkline.worker.routing import Routing


def handler(message: Message) -> None: ...


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def test_a_letter_holds_one_event_and_all_a_person_needs() -> None:
    given = frames("one", "two", seq=5, attempt=2)
    entry = decode_entry(RECEIVE, given.body)
    match = Routing.load([route(RECEIVE, handler)]).match(RECEIVE, {"path": "/"})

    failure = Failure("error", raised(ValueError("broken")), WORKER, b"session")
    found = decode_dead_letter("7-0", letter(given, entry, 1, match, failure))

    single = decode_entry(RECEIVE, found.body)
    assert (single.events, single.seq, single.reply) == (["two"], 6, "reply.i1!c1")
    assert (found.reason, found.channel, found.error) == ("error", RECEIVE, "ValueError: broken")
    assert found.route.endswith("handler")
    assert "raise error" in found.traceback
    assert (found.attempt, found.worker, found.session) == (2, WORKER, b"session")
    assert found.time_s > 1_700_000_000


async def test_the_letter_of_an_event_behind_others_of_its_entry_has_that_events_own_number() -> None:
    def fails_on_the_third(message: Message) -> None:
        if message["text"] == "three":
            raise ValueError("the third")

    desk = Desk([route(RECEIVE, fails_on_the_third)])
    effects = await desk.effects(frames("one", "two", "three", "four", seq=7))

    (found,) = letters(effects)
    single = decode_entry(RECEIVE, found.body)
    assert (single.seq, single.events) == (9, ["three"])


def test_a_letter_without_a_route_names_none() -> None:
    given = frames("one")
    entry = decode_entry(RECEIVE, given.body)
    found = decode_dead_letter("", letter(given, entry, 0, None, Failure("poison", ValueError(), WORKER)))
    assert (found.route, found.session) == ("", b"")


def test_a_letter_of_a_redriven_event_still_says_which_event_it_was_and_how_often_it_was_put_back() -> None:
    entry = Entry(RECEIVE, ReplyName("reply.i1!c1"), "/", -3, ["text"], "c1:5")
    failure = Failure("error", ValueError(), WORKER, tries=2)
    found = decode_dead_letter("", letter(delivery(entry), entry, 0, None, failure, "v7"))
    assert decode_entry(RECEIVE, found.body) == entry
    assert (found.tries, found.code) == (2, "v7")


def test_garbage_is_kept_byte_for_byte() -> None:
    given = Delivery(RECEIVE, "1-0", b"\xff\x00nonsense", 1, 0.0)
    outcome = garbage(given, CodecError("an entry", given.body), WORKER)
    (found,) = letters(outcome.effects)
    assert outcome.delivery is given
    assert (found.reason, found.body) == ("garbage", given.body)
    assert "expected an entry" in found.error


def test_garbage_of_a_track_is_kept_as_of_its_channel() -> None:
    given = Delivery(on_track(RECEIVE, "v2"), "1-0", b"nonsense", 1, 0.0)
    (found,) = letters(garbage(given, CodecError("an entry", given.body), WORKER).effects)
    assert found.channel == RECEIVE


def test_an_error_whose_text_raises_is_described_all_the_same() -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    given = frames("one")
    entry = decode_entry(RECEIVE, given.body)
    found = decode_dead_letter(
        "", letter(given, entry, 0, None, Failure("error", raised(Unspeakable()), WORKER))
    )
    assert found.error == "Unspeakable: (its text raised RuntimeError)"


def test_deliveries_of_a_test_have_ids_of_their_own() -> None:
    entry = decode_entry(RECEIVE, frames("x").body)
    assert delivery(entry).id != delivery(entry).id
