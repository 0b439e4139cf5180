"""The worker with any entry and anything a handler sends: an outcome to commit, or an error with a name."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.bytes_ import contents, mutated, values
from tests.fuzz.test_codec import anything, channels, entries
from trunkline.protocol import codec
from trunkline.protocol.errors import CodecError, InvalidName, MessageError
from trunkline.protocol.messages import DeadLetter, Delivery, Effect, Outcome, Post
from trunkline.protocol.names import CONNECT, RECEIVE, REQUEST, ChannelName, ReplyName
from trunkline.protocol.redis_layer.commit_call import commit_args
from trunkline.protocol.redis_layer.packing import pack
from trunkline.worker import include, route
from trunkline.worker.channels import Channel, Group
from trunkline.worker.contents import connect_payload, frame_payload, http_payload, reply_payload, verdict
from trunkline.worker.effect_log import EffectLog
from trunkline.worker.job import Job
from trunkline.worker.letters import garbage
from trunkline.worker.outbox import CURRENT, Outbox
from trunkline.worker.routing import Routing

REPLY = ReplyName("reply.i0123456789ab!AbCdEfGhIjKlMnOpQrSt")


class Nothing:
    """A flusher that has nothing to do."""

    async def flush(self, delivery: Delivery, effects: list[Effect]) -> None:
        raise AssertionError("no handler runs here")

    def flush_soon(self, delivery: Delivery, outbox: EffectLog) -> None:
        raise AssertionError("no handler runs here")


def handler(message: Any, **kwargs: str) -> None:
    raise AssertionError("no handler runs here")


ROUTING = Routing.load(
    [
        include([route("websocket.receive", handler, path=r"^/(?P<room>\w+)/?$")], path=r"^/chat"),
        route("websocket.receive", handler, text=r"^(?P<verb>[a-z]+) .*$"),
        route("websocket.connect", handler, query_string=r"(^|&)token=(?P<token>[^&]*)"),
        route("http.request", handler, method=r"^(GET|POST)$"),
        route("jobs", handler, kind=r"^\d+$"),
        route("jobs", handler),
    ]
)


def committed(delivery: Delivery, effects: list[Effect]) -> None:
    """What is committed can be written to Redis, and read again by whom it is for."""
    _, args = commit_args([Outcome(delivery, effects)])
    assert pack(args)
    for effect in effects:
        if isinstance(effect, Post):
            assert codec.decode_mailbox(codec.encode_mailbox([effect.chunk]))
        elif isinstance(effect, DeadLetter):
            assert codec.decode_dead_letter("1-0", effect.body).reason


@given(channels, mutated(entries), st.integers(1, 9))
def test_any_entry_is_given_up_or_becomes_an_outcome(channel: ChannelName, raw: bytes, attempt: int) -> None:
    delivery = Delivery(channel, "1-0", raw, attempt, 0.0)
    try:
        job = Job.of(delivery, codec.decode_entry(channel, raw), ROUTING, Nothing())
    except (CodecError, InvalidName) as error:
        committed(*garbage(delivery, error, "w0"))
        return
    for index, match in enumerate(job.plan.matches):
        message = job.begin(index)
        assert message.id and repr(message) and str(job)
        if match is None:
            job.unrouted("w0")
        else:
            job.fail(ValueError("no"), "w0", "error")
    committed(*job.finish())


sent = st.one_of(
    anything,
    contents,
    st.builds(lambda name, value: {name: value}, st.sampled_from(["text", "close"]), values),
)


@given(
    sent, st.sampled_from([CONNECT, RECEIVE, REQUEST]), st.sampled_from(["own", "other", "group", "channel"])
)
def test_whatever_a_handler_sends_is_refused_at_once_or_can_be_delivered(
    content: Any, channel: ChannelName, to: str
) -> None:
    outbox = Outbox(REPLY, 0, channel)
    token = CURRENT.set(outbox)
    try:
        if to == "group":
            Group("all").send(content)
        elif to == "channel":
            Channel("work").send(content)
        else:
            Channel(REPLY if to == "own" else REPLY[:-1] + "u").send(content)
    except (MessageError, InvalidName):
        pass
    finally:
        CURRENT.reset(token)
    effects = outbox.release_connect("/", None) if channel == CONNECT else outbox.release()
    committed(Delivery(channel, "1-0", b"", 1, 0.0), effects)


@given(sent)
def test_every_check_of_a_payload_raises_what_a_handler_is_told(content: Any) -> None:
    for check in (reply_payload, frame_payload, connect_payload, http_payload):
        try:
            payload = check(content)
        except MessageError as error:
            assert str(error)
        else:
            verdict([payload])
