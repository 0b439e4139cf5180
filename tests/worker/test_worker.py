from __future__ import annotations

import importlib

import pytest

import trunkline.worker


def test_what_handlers_import_is_there_and_listed() -> None:
    assert len(set(trunkline.worker.__all__)) == len(trunkline.worker.__all__)
    for name in trunkline.worker.__all__:
        assert getattr(trunkline.worker, name) is not None


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("", ["Group", "Channel", "route", "include", "route_class"]),
        (".routing", ["route", "include", "route_class"]),
        (".sessions", ["channel_session", "enforce_ordering"]),
        (".generic.websockets", ["WebsocketConsumer", "JsonWebsocketConsumer"]),
        (".exceptions", ["DenyConnection", "ConsumerFinished"]),
        (".message", ["Message"]),
    ],
)
def test_the_import_lines_of_channels_change_in_nothing_but_the_package(
    module: str, names: list[str]
) -> None:
    imported = importlib.import_module("trunkline.worker" + module)
    for name in names:
        assert hasattr(imported, name)
