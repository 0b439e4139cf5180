"""Calls of Redis and of the kernel, from what others write down."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.redis_calls import calls, commands_of
from benchmarks.syscalls import calls_per_s, commands, counted, elapsed_s
from benchmarks.systems import scripted

INFO = """\
# Commandstats\r
cmdstat_evalsha:calls=10,usec=100,usec_per_call=10.00\r
cmdstat_xadd:calls=400,usec=100,usec_per_call=0.25\r
cmdstat_xread:calls=5,usec=100,usec_per_call=20.00\r
cmdstat_info:calls=3,usec=100,usec_per_call=33.00\r
cmdstat_config|get:calls=1,usec=1,usec_per_call=1.00\r
"""
PERF = """
 Performance counter stats for process id '7,8':

           798,925      raw_syscalls:sys_enter

       0.503832535 seconds time elapsed
"""
STRACE = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000600           3       200         7 read
 40.00    0.000400           3       112           write
------ ----------- ----------- --------- --------- ----------------
100.00    0.001000           3       312         7 total
"""


def test_a_script_counts_once_and_what_it_calls_does_not() -> None:
    assert calls(INFO, {"xadd"}) == 16
    assert calls(INFO, ()) == 416


def test_what_processes_send_by_themselves_is_counted() -> None:
    assert not scripted() & {"xread", "xreadgroup", "mget", "evalsha"}
    assert scripted() >= {"xadd", "xack", "xdel"}


def test_the_commands_of_a_script_are_read_from_its_text() -> None:
    script = "redis.call('XADD', key)\nlocal held = redis.pcall( \"hget\", key)\nrecall('no')"
    assert commands_of(script) == {"xadd", "hget"}


@pytest.mark.parametrize(
    ("output", "number"),
    [(PERF, 798_925), (STRACE, 312), ("<not counted>  raw_syscalls:sys_enter", None), ("", None)],
)
def test_syscalls_are_read_from_the_tools_own_words(output: str, number: int | None) -> None:
    assert counted(output) == number


def test_perf_says_how_long_it_counted() -> None:
    assert elapsed_s(PERF) == 0.503832535
    assert elapsed_s(STRACE) is None


def test_without_a_tool_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert commands([1, 2]) == []


def test_strace_serves_where_perf_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name if name == "strace" else None)
    assert commands([1, 2]) == [["strace", "-c", "-f", "-p", "1", "-p", "2"]]


async def test_calls_are_those_of_the_first_tool_that_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, words in (("perf", "Access is denied."), ("strace", STRACE)):
        tool = tmp_path / name
        tool.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{words}\nEND\n")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert await calls_per_s([1, 2], 0.1) == 3120.0
