"""WebSockets on real sockets."""

from __future__ import annotations

from tests.interface.conftest import Rig
from trunkline.protocol.names import DISCONNECT


async def test_text_and_bytes_come_back_as_they_went(rig: Rig) -> None:
    socket = await rig.websocket("/chat/room?username=anna")

    await socket.send_str("grüße 👋")
    await socket.send_bytes(b"\x00\xff")

    assert (await socket.receive()).data == "grüße 👋"
    assert (await socket.receive()).data == b"\x00\xff"


async def test_the_clients_close_is_answered_and_becomes_a_disconnect_with_its_code(rig: Rig) -> None:
    socket = await rig.websocket()

    await socket.close(code=4001, message=b"bye")

    entry = await rig.layer.entry(DISCONNECT)
    assert entry.events == [{"code": 4001, "reason": "bye"}]
    assert socket.close_code == 4001
    assert rig.connections() == []
