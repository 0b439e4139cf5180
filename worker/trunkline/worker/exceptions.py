"""What handlers raise, under the module name of Channels 1.x."""

from __future__ import annotations

from trunkline.protocol.errors import ConsumerFinished, DenyConnection

__all__ = ["ConsumerFinished", "DenyConnection"]
