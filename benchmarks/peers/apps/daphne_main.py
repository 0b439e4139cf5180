"""``python -m daphne_main module:attribute``: an ASGI application on Daphne, without its access log."""

from __future__ import annotations

import importlib
import logging
import sys

from daphne.server import Server


class Announcing(Server):
    """Says where it listens once it does."""

    def listen_success(self, port: object) -> None:
        """It listens."""
        super().listen_success(port)
        for host, number in self.listening_addresses:
            print(f"listening address=http://{host}:{number}", flush=True)


def main() -> None:
    """Serves until the process is ended."""
    logging.basicConfig(level=logging.WARNING)
    module, attribute = sys.argv[1].split(":")
    application = getattr(importlib.import_module(module), attribute)
    Announcing(application, endpoints=["tcp:port=0:interface=127.0.0.1:backlog=1024"], verbosity=0).run()


if __name__ == "__main__":
    main()
