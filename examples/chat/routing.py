"""Routes of the chat: the room stands in the path. Any other path has no route and is refused with 404."""

from __future__ import annotations

from trunkline.worker import route

ANY_ROOM = r"^/chat/\w+$"

channel_routing = [
    route("websocket.connect", "examples.chat.consumers.ws_add", path=r"^/chat/(?P<room>\w+)$"),
    route("websocket.receive", "examples.chat.consumers.ws_echo", path=ANY_ROOM),
    route("websocket.disconnect", "examples.chat.consumers.ws_leave", path=ANY_ROOM),
]
