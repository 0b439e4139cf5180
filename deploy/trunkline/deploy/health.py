"""``python -m trunkline.deploy.health live``: asks an admin server, for health checks of containers.

No verb of the command, and no settings: it is run every few seconds beside a process whose CPU it should not take, so
it imports the standard library and nothing else.
"""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from trunkline.protocol.exit_codes import ExitCode

LIMIT_S: Final = 6.0
"""How long it waits for an answer. `/trip` itself gives up a second earlier and says why."""
USAGE: Final = """usage: python -m trunkline.deploy.health PATH [HOST:PORT]

  live   the process runs
  ready  it can take work now
  trip   a message goes to a worker and back (interface servers)

Without HOST:PORT it asks this container's own: 127.0.0.1 and TRUNKLINE_ADMIN_PORT."""


def main(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    """Asks, and prints what was answered.

    Args:
        argv: ``PATH [HOST:PORT]``.
        environ: where the port stands if it is not given.

    Returns:
        `ExitCode.OK` if the answer was 200, `ExitCode.FAILED` if it was another or there was none within
        `LIMIT_S`, `ExitCode.USAGE` if nobody can be asked.
    """
    if not 1 <= len(argv) <= 2 or argv[0].startswith("-"):
        return _complain(USAGE, ExitCode.USAGE)
    path = argv[0].removeprefix("/")
    address = argv[1] if len(argv) == 2 else f"127.0.0.1:{environ.get('TRUNKLINE_ADMIN_PORT', '')}"
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65_536:
        return _complain(
            f"health: {address!r} is no HOST:PORT; name one, or set TRUNKLINE_ADMIN_PORT to a port other than 0",
            ExitCode.USAGE,
        )
    try:
        status, text = _ask(host.strip("[]"), int(port), f"/{path}")
    except (OSError, http.client.HTTPException) as error:
        return _complain(f"health: no answer from http://{address}/{path}: {error}", ExitCode.FAILED)
    print(f"{status} {text.strip()}")
    return ExitCode.OK if status == 200 else ExitCode.FAILED


def _ask(host: str, port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(host, port, timeout=LIMIT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(1000).decode(errors="replace")
    finally:
        connection.close()


def _complain(text: str, code: ExitCode) -> int:
    print(text, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
