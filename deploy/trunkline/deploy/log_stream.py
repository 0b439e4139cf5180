"""Where circus writes what the processes print: one file a role, whole lines, each with the pid that wrote it.

Circus' own ``FileStream`` opens and rotates the file. It writes whatever a pipe gave, though, up to 1,024 bytes: lines
of several processes would be torn and mixed, and two streams on one file, standard output and error, would rotate
it under each other. This module runs inside circusd.
"""

from __future__ import annotations

from typing import Any

from circus.stream import FileStream

MAX_LINE_BYTES = 64 * 1024
"""A longer line is cut in pieces, so that a process that never ends its line does not fill circusd's memory."""

MAX_PARTIAL_LINES = 256
"""A process that is killed within a line leaves a piece; beyond this many, all are written as they are."""

_streams: dict[str, LineStream] = {}


def open_stream(filename: str, max_bytes: str, backup_count: str, **_: Any) -> LineStream:
    """The one stream of a file; circus asks for it by its dotted name, once for each of standard output and error.

    Args:
        filename: the log.
        max_bytes: size at which it is rotated.
        backup_count: how many rotated files are kept.
    """
    stream = _streams.get(filename)
    if stream is None:
        stream = _streams[filename] = LineStream(filename, max_bytes, backup_count)
    return stream


class LineStream(FileStream):  # type: ignore[misc]
    """Writes whole lines, each begun with ``[pid]``."""

    def __init__(self, filename: str, max_bytes: str, backup_count: str) -> None:
        super().__init__(filename=filename, max_bytes=int(max_bytes), backup_count=int(backup_count))
        self._partial: dict[tuple[int, str], bytes] = {}

    def __call__(self, data: dict[str, Any]) -> None:
        """Takes what was read from a pipe: ``pid``, ``name`` (stdout or stderr) and ``data``."""
        key = (data["pid"], data["name"])
        *lines, rest = (self._partial.pop(key, b"") + data["data"]).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            lines, rest = [*lines, rest], b""
        if rest:
            self._partial[key] = rest
        if len(self._partial) > MAX_PARTIAL_LINES:
            self._write_partial()
        self._lines(data["pid"], lines)

    def close(self) -> None:
        """Writes the lines that were not ended, and closes the file."""
        if self._file is not None and not self._file.closed:
            self._write_partial()
            super().close()

    def _write_partial(self) -> None:
        for (pid, _), rest in self._partial.items():
            self._lines(pid, [rest])
        self._partial.clear()

    def _lines(self, pid: int, lines: list[bytes]) -> None:
        if lines:
            prefix = f"[{pid}] ".encode()
            super().__call__({"pid": pid, "data": b"".join(prefix + line + b"\n" for line in lines)})
