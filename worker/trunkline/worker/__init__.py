"""The worker tier, and all that handlers import.

::

    declarations, routing*   what a routing module says, resolved and checked at start
    message, sessions        what a handler gets
    channels, contents       what a handler sends, checked where it sends it
    outbox, release          its effects, kept until the commit applies them

Modules are named as in Channels 1.x (``routing``, ``sessions``, ``generic.websockets``), so that code written for it
needs no more than its import lines changed.
"""

from trunkline.protocol.errors import ConsumerFinished, DenyConnection

from .channels import Channel, Group
from .error_policy import Retry
from .message import Message
from .outside import outside
from .routing import include, route, route_class
from .sessions import channel_session, enforce_ordering

__all__ = [
    "Channel",
    "ConsumerFinished",
    "DenyConnection",
    "Group",
    "Message",
    "Retry",
    "channel_session",
    "enforce_ordering",
    "include",
    "outside",
    "route",
    "route_class",
]
