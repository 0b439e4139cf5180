"""Versions beside each other: what their workers' metrics come to."""

from __future__ import annotations

from trunkline.deploy.versions import Figures, compare, table
from trunkline.protocol.messages import LeaseInfo
from trunkline.protocol.tracks import Share


def exposition(ok: int, failed: int, seconds: float) -> str:
    """A worker's metrics: its calls took up to 5 ms, but for those that failed."""
    return "\n".join(
        [
            "# TYPE trunkline_messages_total counter",
            f'trunkline_messages_total{{channel="c",route="r",outcome="ok"}} {ok}',
            f'trunkline_messages_total{{channel="c",route="s",outcome="error"}} {failed}',
            "# TYPE trunkline_handler_seconds histogram",
            f'trunkline_handler_seconds_bucket{{route="r",le="0.005"}} {ok}',
            f'trunkline_handler_seconds_bucket{{route="r",le="0.1"}} {ok + failed}',
            f'trunkline_handler_seconds_bucket{{route="r",le="+Inf"}} {ok + failed}',
            f'trunkline_handler_seconds_sum{{route="r"}} {seconds}',
            f'trunkline_handler_seconds_count{{route="r"}} {ok + failed}',
            "",
        ]
    )


def worker(number: int, code: str, track: str = "") -> LeaseInfo:
    return LeaseInfo(f"w{number}", "worker", "h", number, f"h:{number}", "0", 0.0, "m", code, track)


def test_what_was_done_between_two_looks_is_counted() -> None:
    done = Figures.of(exposition(300, 2, 1.5)).since(Figures.of(exposition(100, 1, 0.5)))

    assert (done.messages, done.failed, done.seconds) == (201, 1, 1.0)
    assert (done.quantile_s(0.5), done.quantile_s(0.999)) == (0.005, 0.1)


def test_without_calls_there_is_no_latency() -> None:
    assert Figures().quantile_s(0.99) is None
    assert Figures.of(exposition(0, 0, 0.0)).quantile_s(0.99) is None


def test_versions_are_told_apart_by_track_and_code_and_main_gets_what_is_left() -> None:
    workers = [worker(1, "v1"), worker(2, "v1"), worker(3, "v2", "canary-1")]
    first = {lease.admin: exposition(0, 0, 0.0) for lease in workers}
    second = {"h:1": exposition(10, 0, 0.01), "h:2": exposition(30, 0, 0.03), "h:3": exposition(6, 2, 0.4)}

    main, canary = (
        version.as_json()
        for version in compare(
            workers, [Share("canary-1", 12.5, 9), Share("gone", 50.0, 9)], first, second, 2.0
        )
    )

    assert main == {
        "code_version": "v1", "track": "", "percent": 87.5, "workers": 2, "silent": 0, "messages_per_s": 20.0,
        "failed": 0, "failed_percent": 0.0, "mean_ms": 1.0, "p99_ms": 5.0,
    }  # fmt: skip
    assert canary == {
        "code_version": "v2", "track": "canary-1", "percent": 12.5, "workers": 1, "silent": 0, "messages_per_s": 4.0,
        "failed": 2, "failed_percent": 25.0, "mean_ms": 50.0, "p99_ms": 100.0,
    }  # fmt: skip


def test_a_worker_that_does_not_answer_is_counted_and_not_guessed() -> None:
    workers = [worker(1, ""), worker(2, "")]
    looked = {"h:1": exposition(0, 0, 0.0)}

    (version,) = compare(workers, [], looked, looked, 1.0)

    told = version.as_json()
    assert (told["workers"], told["silent"], told["mean_ms"], told["p99_ms"]) == (2, 1, None, None)
    line = table([version])[1]
    assert line.startswith("unknown")
    assert line.endswith("1 did not answer")
    assert line.split()[1:7] == ["-", "100%", "2", "0.0", "-", "-"]
