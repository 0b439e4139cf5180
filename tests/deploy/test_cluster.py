"""Who else serves the Redis that a cluster is to use."""

from __future__ import annotations

from trunkline.deploy.cluster import mixing
from trunkline.protocol.messages import LeaseInfo


def worker(detail: str) -> LeaseInfo:
    return LeaseInfo("w1", "worker", "host", 1, "", "0.1.0", 0.0, detail)


def test_workers_of_another_application_are_warned_about() -> None:
    warning = mixing([worker("echo.routing"), worker("chat.routing"), worker("echo.routing")], "chat.routing")
    assert warning is not None
    assert warning.startswith("workers of echo.routing serve the same Redis and prefix")
    assert "--prefix" in warning


def test_more_workers_of_the_same_application_are_welcome() -> None:
    assert mixing([worker("chat.routing"), worker("")], "chat.routing") is None
    assert mixing([], "chat.routing") is None
