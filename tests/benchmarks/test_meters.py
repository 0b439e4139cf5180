"""What the kernel says about processes and cores."""

from __future__ import annotations

import os
import time

import pytest

from benchmarks.machine import cpu_model
from benchmarks.meters import (
    busy_s,
    cpu_ns,
    kernel_bytes,
    pss_bytes,
    slab_bytes,
    socket_buffer_pages,
)

STAT = """\
cpu  9 9 9 9 9 9 9 9 0 0
cpu0 100 0 50 800 40 5 5 0 0 0
cpu1 1 0 0 999 0 0 0 0 0 0
intr 1
"""


def test_a_core_is_busy_when_it_neither_idles_nor_waits() -> None:
    assert busy_s(STAT, 0, 100) == 1.6


def test_a_core_that_is_not_there_is_an_error() -> None:
    with pytest.raises(OSError, match="cpu7"):
        busy_s(STAT, 7, 100)


def test_the_clock_of_a_process_is_the_one_it_reads_itself() -> None:
    before = time.process_time_ns()
    read = cpu_ns(os.getpid())
    assert before <= read <= time.process_time_ns()


def test_the_clock_of_no_process_is_an_error() -> None:
    with pytest.raises(OSError):
        cpu_ns(2**22 + 1)  # above the greatest pid that Linux gives, see proc(5), pid_max


def test_a_process_has_memory() -> None:
    assert pss_bytes(os.getpid()) > 1024 * 1024


def test_the_kernel_has_memory_in_slabs_and_in_buffers_of_sockets() -> None:
    assert slab_bytes("MemTotal: 9 kB\nSlab:   2 kB\n") == 2048
    assert socket_buffer_pages("sockets: used 13\nTCP: inuse 1 orphan 0 tw 400 alloc 1 mem 101\n") == 101
    assert kernel_bytes() > 1024 * 1024


def test_a_counter_that_is_not_there_is_an_error() -> None:
    with pytest.raises(OSError, match="Slab"):
        slab_bytes("MemTotal: 9 kB\n")


def test_the_processor_is_named() -> None:
    assert cpu_model("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n") == "Some CPU @ 2 GHz"
