"""Which requests may see the dashboard.

It has no password: who reaches the port may read, but only with a browser that was pointed at it, and never the page of
somebody else that such a browser has open as well. Such a page has two ways. It asks across origins: browsers tell so
(https://www.w3.org/TR/fetch-metadata/). Or it has its own name point to this machine, DNS rebinding, and asks within
its origin: then ``Host`` is that name. So only names count that nobody else can have: IP addresses, localhost, this
machine's own, and the one of ``--admin-host``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from typing import Final

HEADERS: Final = {
    # Only our own files; no inline script or style, no frame, no form. Trusted Types make a text that becomes markup
    # an error even where somebody writes such a line by mistake.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Sec-Fetch-Site, Host",
}
"""Of every answer."""

_OWN_SITES: Final = frozenset({"same-origin", "none"})


def hostname(host: str) -> str:
    """The name in a ``Host`` header: without port, brackets and final dot, in lower case."""
    name = host.strip()
    if name.startswith("["):
        return name[1:].partition("]")[0].lower()
    return name.partition(":")[0].lower().rstrip(".")


def refusal(headers: Mapping[str, str], names: Collection[str], *, document: bool) -> str | None:
    """Why a request is refused, as a sentence for who sent it; None if it may see the dashboard.

    Args:
        headers: of the request, looked up in any case.
        names: host names that are ours besides IP addresses and localhost, in lower case.
        document: whether it is the page itself. Any site may link to that; nobody can look into it.
    """
    host = headers.get("Host", "")
    name = hostname(host)
    if not _is_ours(name, names):
        return (
            f"the dashboard is not shown under the name {name!r}: somebody else's page could have it point here. "
            "Use the IP address or localhost; a proxy in front has to set Host to one of them"
        )
    site = headers.get("Sec-Fetch-Site", "none")
    follows_link = (
        document
        and headers.get("Sec-Fetch-Mode") == "navigate"
        and headers.get("Sec-Fetch-Dest") == "document"
    )
    if site not in _OWN_SITES and not follows_link:
        return "the page of another site asks for the dashboard, and may not have it"
    origin = headers.get("Origin")
    if origin is not None and origin.partition("://")[2].lower() != host.strip().lower():
        return "the page of another origin asks for the dashboard, and may not have it"
    return None


def _is_ours(name: str, names: Collection[str]) -> bool:
    if name == "localhost" or name.endswith(".localhost") or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
