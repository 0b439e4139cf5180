"""What a test asks a running Prometheus (https://prometheus.io/docs/prometheus/latest/querying/api/)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp


class Prometheus:
    """A running Prometheus.

    Args:
        url: address of its page, with a slash at the end.
        client: for requests.
    """

    def __init__(self, url: str, client: aiohttp.ClientSession) -> None:
        self._url = url
        self._client = client

    async def ask(self, what: str, **parameters: str) -> Any:
        """The data of an answer of its API.

        Raises:
            AssertionError: it is an error; the text says which.
        """
        async with self._client.get(f"{self._url}api/v1/{what}", params=parameters) as answer:
            told = await answer.json()
        assert told["status"] == "success", f"{parameters}: {told}"
        return told["data"]

    async def series(self, query: str) -> list[dict[str, Any]]:
        """What a query finds now, each series with ``metric`` and ``value``; those that are no number are left out."""
        found: list[dict[str, Any]] = (await self.ask("query", query=query))["result"]
        return [item for item in found if item["value"][1] != "NaN"]

    async def value(self, query: str) -> float | None:
        """The only value that a query finds now; None if there is none."""
        found = await self.series(query)
        assert len(found) <= 1, f"{query}: expected one series, not {found}"
        return float(found[0]["value"][1]) if found else None

    async def targets(self) -> dict[str, str]:
        """Process id to health (``up``, ``down``, ``unknown``) of every target that it knows now."""
        active = (await self.ask("targets", state="active"))["activeTargets"]
        return {target["labels"]["process"]: target["health"] for target in active}


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[Prometheus]:
    """Talks to the Prometheus whose page is at this address."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as client:
        yield Prometheus(url, client)
