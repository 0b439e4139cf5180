"""``python -m benchmarks.peers.setup [NAME ...]``: installs what peers need, and says of each whether it can run."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

from benchmarks.peer import Peer
from trunkline.protocol.exit_codes import ExitCode

from . import PEERS


def set_up(peers: Iterable[Peer]) -> Iterator[str]:
    """Sets peers up, what is there already included; yields one line for each."""
    for peer in peers:
        reason = peer.missing()
        if reason is None:
            versions = ", ".join(f"{name} {version}" for name, version in peer.versions().items())
            yield f"{peer.name}: ready ({versions})"
        else:
            yield f"{peer.name}: left out, {reason}"


def main(argv: Sequence[str]) -> int:
    """The command; returns its exit code. That a peer cannot be had is no failure."""
    known = {peer.name: peer for peer in PEERS}
    unknown = [name for name in argv if name not in known]
    if unknown:
        print(f"no such peer: {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return ExitCode.USAGE
    for line in set_up([known[name] for name in argv] or PEERS):
        print(line, flush=True)
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
