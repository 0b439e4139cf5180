"""A connect handler names what its client loses that reads too slowly, and the interface server keeps to it."""

from __future__ import annotations

import pytest

from tests.support.client_frames import RawClient, frame
from tests.support.stack import stack
from tests.support.waiting import until
from trunkline.interface.frames import TEXT
from trunkline.interface.states import State
from trunkline.worker import Message, route

COUNT = 600
SIZE = 20_000


def connect(message: Message, policy: str) -> None:
    message.reply_channel.send({"accept": True, "outbound": policy})


def ticker(message: Message) -> None:
    for number in range(COUNT):
        message.reply_channel.send({"text": f"{number:04}".ljust(SIZE, ".")})


ROUTES = [
    route("websocket.connect", connect, path=r"^/(?P<policy>\w+)$"),
    route("websocket.receive", ticker),
]


@pytest.mark.parametrize("policy", ["latest_only", "drop_oldest"])
async def test_a_route_whose_clients_need_not_hear_everything_says_so_when_it_accepts(policy: str) -> None:
    async with stack(ROUTES) as running:
        host, _, port = running.addresses[0].rpartition("/")[2].rpartition(":")
        async with RawClient(host, int(port)) as client:
            client.stop_reading()
            lines = client.handshake(f"/{policy}").replace("\n", "\r\n")
            client.send(lines.encode() + b"\r\n\r\n" + frame(TEXT, b"go"))
            dropped = running.interfaces[0].metrics.drops.get("outbound")
            await until(lambda: dropped.value > 0)
            tenure = running.interfaces[0].tenure
            assert tenure is not None
            assert [connection.state for connection in tenure.connections()] == [State.OPEN]

            client.read_on()
            await client.reader.readuntil(b"\r\n\r\n")
            heard: list[int] = []
            while not heard or heard[-1] != COUNT - 1:
                heard.append(int((await client.receive())[1][:4]))

        assert heard == sorted(heard)
        assert len(heard) + dropped.value == COUNT
