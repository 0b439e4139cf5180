"""``python -m tests.instructions.write``: counts all paths and writes what it finds as the gates."""

from __future__ import annotations

from .callgrind import MISSING, find_valgrind
from .count import count_all
from .gates import FILE, TOLERANCE, Gates, moved, read, this_build, written


def main() -> None:
    """Counts, shows old and new, writes."""
    valgrind = find_valgrind()
    if valgrind is None:
        raise SystemExit(MISSING)
    build, known = this_build(), read()
    found = count_all(valgrind)
    print(*Gates(build, known.get(build, {}), TOLERANCE).table(found), sep="\n")
    FILE.write_text(written(moved(known, build, found)))
    print(f"wrote the gates of {build}; say in the commit why they moved")


if __name__ == "__main__":
    main()
