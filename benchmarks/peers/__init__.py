"""Other people's servers, set up to do the same work. Each module makes one or several `Peer`."""

from __future__ import annotations

from typing import Final

from benchmarks.peer import Peer

from . import centrifugo, django_channels, nchan, pushpin, socketio_node, socketio_python

PEERS: Final[tuple[Peer, ...]] = (
    *django_channels.PEERS,
    *socketio_python.PEERS,
    *socketio_node.PEERS,
    *nchan.PEERS,
    *pushpin.PEERS,
    *centrifugo.PEERS,
)
