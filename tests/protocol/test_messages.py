"""The types that cross the seam: frozen, with the defaults the contract names."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from trunkline.protocol import messages
from trunkline.protocol.messages import ChannelSend, Effect, Entry, LeaseInfo
from trunkline.protocol.names import RECEIVE, ChannelName


def message_types() -> list[type[tuple[Any, ...]]]:
    return [
        value
        for value in vars(messages).values()
        if inspect.isclass(value) and value.__module__ == messages.__name__ and issubclass(value, tuple)
    ]


@pytest.mark.parametrize("kind", message_types(), ids=lambda kind: kind.__name__)
def test_every_message_is_frozen_and_says_what_it_is(kind: type[Any]) -> None:
    message = kind(*kind._fields)
    with pytest.raises(AttributeError):
        setattr(message, kind._fields[0], None)
    assert not hasattr(message, "__dict__") or not message.__dict__
    assert kind.__doc__ and not kind.__doc__.startswith(kind.__name__ + "(")


def test_an_entry_of_a_connection_needs_no_id() -> None:
    assert Entry(RECEIVE, None, None, 1, ["a"]).id is None


def test_a_send_to_a_channel_is_not_delayed_unless_asked_for() -> None:
    assert ChannelSend(ChannelName("work"), b"").delay_ms == 0


def test_a_lease_needs_no_detail() -> None:
    assert LeaseInfo("w1", "worker", "host", 1, "", "0.1", 0.0).detail == ""


def test_every_effect_is_a_message_of_its_own() -> None:
    assert set(Effect.__args__) <= set(message_types())
