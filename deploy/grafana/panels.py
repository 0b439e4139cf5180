"""What the dashboard shows: rows of panels, each with its queries. `dashboard` puts the JSON around them.

Figures of the cluster (streams, mailboxes, leases, Redis) are told by every process alike, for each shard: `max` over
processes, never `sum`. Bounds are those of one shard, so what has one is shown for each.
"""

from __future__ import annotations

from typing import NamedTuple

HERE = 'deployment=~"$deployment"'
RATE = "[$__rate_interval]"


class Query(NamedTuple):
    """One query of a panel.

    Attributes:
        expr: PromQL.
        legend: name of each of its series.
    """

    expr: str
    legend: str


class Panel(NamedTuple):
    """One panel.

    Attributes:
        title: of the panel.
        help: what it shows, and what to look for.
        unit: Grafana's name of the unit.
        queries: what is drawn.
        stacked: whether the series are parts of a whole.
        kind: Grafana's panel type.
    """

    title: str
    help: str
    unit: str
    queries: list[Query]
    stacked: bool = False
    kind: str = "timeseries"


def rate(metric: str, by: str = "", more: str = "") -> str:
    """Sum of a counter's rates over processes."""
    return (
        f"sum by ({by}) (rate({metric}{{{HERE}{more}}}{RATE}))"
        if by
        else f"sum(rate({metric}{{{HERE}{more}}}{RATE}))"
    )


def quantile(q: float, metric: str, by: str = "") -> str:
    """A quantile of a histogram over all processes."""
    return f"histogram_quantile({q}, {rate(f'{metric}_bucket', f'le, {by}' if by else 'le')})"


def mean(metric: str) -> str:
    """Mean of a histogram over all processes."""
    return f"{rate(f'{metric}_sum')} / ({rate(f'{metric}_count')} > 0)"


def of_cluster(metric: str, by: str = "") -> str:
    """A figure that every process tells."""
    return f"max by ({by}) ({metric}{{{HERE}}})" if by else f"max({metric}{{{HERE}}})"


def of_shards(metric: str) -> str:
    """A figure that every process tells of each shard, of all shards together."""
    return f"sum(max by (shard) ({metric}{{{HERE}}}))"


HOPS = {
    "publish (interface to Redis)": "trunkline_publish_seconds",
    "queue (waits for a worker)": "trunkline_queue_wait_seconds",
    "handler": "trunkline_handler_seconds",
    "commit (worker to Redis)": "trunkline_commit_seconds",
    "mailbox (Redis to interface)": "trunkline_mailbox_seconds",
}
"""The hops of a message that have a histogram, in their order."""

FAILED = ', outcome=~"error|timeout|retries"'
CPU = f'rate(process_cpu_seconds_total{{{HERE}, job="trunkline"}}{RATE})'
REDIS_CPU = f"sum(max by (shard) (rate(trunkline_redis_cpu_seconds_total{{{HERE}}}{RATE})))"

ROWS: dict[str, list[Panel]] = {
    "At a glance": [
        Panel(
            "Connections",
            "Open WebSockets of all interface servers.",
            "short",
            [Query(f"sum(trunkline_connections{{{HERE}}})", "connections")],
            kind="stat",
        ),
        Panel(
            "Messages a second",
            "Messages from clients.",
            "cps",
            [Query(rate("trunkline_messages_in_total"), "in")],
            kind="stat",
        ),
        Panel(
            "p99 to the reply",
            "From a frame's arrival to its reply, at the interface servers.",
            "s",
            [Query(quantile(0.99, "trunkline_release_seconds"), "p99")],
            kind="stat",
        ),
        Panel(
            "Failing messages",
            "Part of the messages whose handlers raise or run over their time.",
            "percentunit",
            [
                Query(
                    f"({rate('trunkline_messages_total', more=FAILED)} or vector(0))"
                    f" / ({rate('trunkline_messages_total')} > 0)",
                    "failing",
                )
            ],
            kind="stat",
        ),
        Panel(
            "CPU of a message",
            "CPU seconds of all processes and Redis together, for each message that a client sent.",
            "s",
            [
                Query(
                    f"(sum({CPU}) + {REDIS_CPU}) / ({rate('trunkline_messages_in_total')} > 0)", "a message"
                )
            ],
            kind="stat",
        ),
        Panel(
            "Firing alerts",
            "docs/alerts.md has each of them.",
            "short",
            [Query('count(ALERTS{alertname=~"Trunkline.*", alertstate="firing"}) or vector(0)', "alerts")],
            kind="stat",
        ),
    ],
    "Traffic": [
        Panel(
            "Messages",
            "In and out of WebSockets; a message to a group goes out to each member.",
            "cps",
            [
                Query(rate("trunkline_messages_in_total"), "in"),
                Query(rate("trunkline_messages_out_total"), "out"),
            ],
        ),
        Panel(
            "Bytes",
            "In and out of WebSockets.",
            "Bps",
            [Query(rate("trunkline_bytes_in_total"), "in"), Query(rate("trunkline_bytes_out_total"), "out")],
        ),
        Panel(
            "Connections by interface server",
            "They should be even, but for servers that have just started.",
            "short",
            [Query(f"trunkline_connections{{{HERE}}}", "{{process}} on {{host}}")],
            stacked=True,
        ),
        Panel(
            "Handshakes and closes",
            "Handshakes by outcome, closed WebSockets by close code. 1012 is a restart.",
            "cps",
            [
                Query(rate("trunkline_handshakes_total", "outcome"), "handshake {{outcome}}"),
                Query(rate("trunkline_closes_total", "code"), "close {{code}}"),
            ],
        ),
        Panel(
            "Messages by route",
            "Handled messages, by route.",
            "cps",
            [Query(rate("trunkline_messages_total", "route"), "{{route}}")],
        ),
        Panel(
            "HTTP responses",
            "By status.",
            "cps",
            [Query(rate("trunkline_http_responses_total", "status"), "{{status}}")],
        ),
    ],
    "Latency": [
        Panel(
            "From frame to reply",
            "At the interface servers, all hops together.",
            "s",
            [Query(quantile(q, "trunkline_release_seconds"), name) for name, q in
             (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))],
        ),
        Panel(
            "Mean by hop",
            "Where the time goes. What is missing to the mean from frame to reply is gathering, waiting within a "
            "worker and writing.",
            "s",
            [*(Query(mean(metric), hop) for hop, metric in HOPS.items()),
             Query(mean("trunkline_release_seconds"), "from frame to reply")],
        ),
        Panel(
            "p99 by hop",
            "p99 of hops do not add up to the p99 of their sum.",
            "s",
            [Query(quantile(0.99, metric), hop) for hop, metric in HOPS.items()],
        ),
        Panel(
            "p95 of handlers by route",
            "The slowest first in the tooltip.",
            "s",
            [Query(quantile(0.95, "trunkline_handler_seconds", "route"), "{{route}}")],
        ),
        Panel(
            "p95 of handshakes",
            "From the request to the answer, by outcome.",
            "s",
            [Query(quantile(0.95, "trunkline_handshake_seconds", "outcome"), "{{outcome}}")],
        ),
        Panel(
            "Mailbox lag",
            "Age of the newest entry that each interface server has read. Clocks that differ show here too.",
            "s",
            [Query(f"trunkline_mailbox_lag_seconds{{{HERE}}}", "{{process}}")],
        ),
    ],
    "Queues": [
        Panel(
            "Queue wait, p95",
            "How long messages wait in Redis for a worker, by channel. More workers help.",
            "s",
            [Query(quantile(0.95, "trunkline_queue_wait_seconds", "channel"), "{{channel}}")],
        ),
        Panel(
            "Streams",
            "Entries that wait or are being handled, by channel and shard, and how many a stream takes.",
            "short",
            [Query(of_cluster("trunkline_stream_length", "channel, shard"), "{{channel}}, shard {{shard}}"),
             Query(of_cluster("trunkline_stream_capacity"), "capacity")],
        ),
        Panel(
            "Oldest entry",
            "It grows while a handler takes its time, or nobody takes the entry.",
            "s",
            [Query(of_cluster("trunkline_stream_oldest_seconds", "channel, shard"), "{{channel}}, shard {{shard}}")],
        ),
        Panel(
            "Mailboxes",
            "Entries that interface servers have not trimmed yet; one that is full has its server fenced.",
            "short",
            [Query(of_cluster("trunkline_mailbox_length", "interface, shard"), "{{interface}}, shard {{shard}}")],
        ),
        Panel(
            "Delayed and dead",
            "Messages that wait for their time or to be tried again, and dead letters that are kept.",
            "short",
            [Query(of_shards("trunkline_delayed_length"), "delayed"),
             Query(of_shards("trunkline_dead_letters_kept"), "dead letters")],
        ),
        Panel(
            "Entries in a batch",
            "Mean entries in a delivery and in a commit: they grow with the load, and make it cheaper.",
            "short",
            [Query(mean("trunkline_batch_entries"), "delivery"), Query(mean("trunkline_commit_entries"), "commit")],
        ),
    ],
    "Saturation": [
        Panel(
            "CPU by process",
            "A process has one event loop: it cannot use more than one CPU.",
            "percentunit",
            [Query(CPU, "{{role}} {{process}}")],
        ),
        Panel(
            "Entries in hand",
            "Entries that each worker holds.",
            "short",
            [Query(f"trunkline_worker_busy_entries{{{HERE}}}", "{{process}}")],
        ),
        Panel(
            "Sockets that are not read",
            "Paused: their messages wait for workers. Queueing: read in turns. Retrying: their channel is full.",
            "short",
            [Query(f"sum(trunkline_paused_connections{{{HERE}}})", "paused"),
             Query(f"sum(trunkline_queueing{{{HERE}}})", "queueing"),
             Query(f"sum(trunkline_retrying{{{HERE}}})", "retrying")],
        ),
        Panel(
            "Unsent bytes",
            "Bytes that clients have not taken yet, by interface server.",
            "bytes",
            [Query(f"trunkline_outbound_bytes{{{HERE}}}", "{{process}}")],
        ),
        Panel(
            "Memory by process",
            "Resident memory.",
            "bytes",
            [Query(f'process_resident_memory_bytes{{{HERE}, job="trunkline"}}', "{{role}} {{process}}")],
        ),
        Panel(
            "Nearness to limits",
            "Connections against their limit, file descriptors against theirs; the fullest process counts.",
            "percentunit",
            [Query(f"max(trunkline_connections{{{HERE}}} / (trunkline_connections_limit{{{HERE}}} > 0))",
                   "connections"),
             Query(f'max(process_open_fds{{{HERE}, job="trunkline"}} / process_max_fds{{{HERE}, job="trunkline"}})',
                   "file descriptors")],
        ),
    ],
    "Errors": [
        Panel(
            "Messages by outcome",
            "error, timeout and retries make dead letters; refused is a handshake that its handler denied.",
            "cps",
            [Query(rate("trunkline_messages_total", "outcome"), "{{outcome}}")],
        ),
        Panel(
            "Dead letters",
            "New ones, by reason: trunkline dead list shows them.",
            "cps",
            [Query(rate("trunkline_dead_letters_total", "reason"), "{{reason}}")],
        ),
        Panel(
            "Turned away",
            "Clients refused or closed at a limit, by reason: docs/overload.md.",
            "cps",
            [Query(rate("trunkline_turned_away_total", "reason"), "{{reason}}")],
        ),
        Panel(
            "Drops",
            "What was thrown away, by reason. gone and closed are ordinary.",
            "cps",
            [Query(rate("trunkline_drops_total", "reason"), "{{reason}}")],
        ),
        Panel(
            "Deaths and losses",
            "Interface servers fenced, entries taken over from dead workers, entries published again, full streams, "
            "slow clients.",
            "cps",
            [Query(rate("trunkline_fenced_total"), "fenced"),
             Query(rate("trunkline_redeliveries_total", "channel"), "taken over on {{channel}}"),
             Query(rate("trunkline_republished_total"), "published again"),
             Query(rate("trunkline_refusals_total"), "refused by a full stream"),
             Query(rate("trunkline_slow_readers_total"), "slow clients closed")],
        ),
        Panel(
            "Retries",
            "Calls of handlers that failed and are repeated, by outcome.",
            "cps",
            [Query(rate("trunkline_retries_total", "outcome"), "{{outcome}}")],
        ),
    ],
    "Cost": [
        Panel(
            "CPU by tier",
            "CPUs at work.",
            "short",
            [Query(f"sum by (role) ({CPU})", "{{role}}"), Query(REDIS_CPU, "redis")],
            stacked=True,
        ),
        Panel(
            "CPU of a message, by tier",
            "CPU seconds for each message that a client sent. It falls when the load rises, because batches grow.",
            "s",
            [Query(f"sum by (role) ({CPU}) / on () group_left () ({rate('trunkline_messages_in_total')} > 0)",
                   "{{role}}"),
             Query(f"{REDIS_CPU} / ({rate('trunkline_messages_in_total')} > 0)", "redis")],
            stacked=True,
        ),
        Panel(
            "Memory of a connection",
            "Resident memory of the interface servers for each open WebSocket, their own needs with it.",
            "bytes",
            [Query(f'sum(process_resident_memory_bytes{{{HERE}, role="interface"}})'
                   f" / (sum(trunkline_connections{{{HERE}}}) > 0)", "a connection")],
        ),
    ],
    "Processes": [
        Panel(
            "Live processes",
            "By their leases in Redis, and how many there should be. Scraped: those that Prometheus sees.",
            "short",
            [Query(of_cluster("trunkline_live_interfaces"), "interface servers"),
             Query(of_cluster("trunkline_live_workers"), "workers"),
             Query(of_cluster("trunkline_desired_interfaces"), "interface servers, desired"),
             Query(of_cluster("trunkline_desired_workers"), "workers, desired"),
             Query(f'sum(up{{{HERE}, job="trunkline"}})', "scraped")],
        ),
        Panel(
            "Versions",
            "Processes by role, version of the application's code, and version of Trunkline.",
            "short",
            [Query(f'count by (role, code_version, version) (up{{{HERE}, job="trunkline"}} == 1)',
                   "{{role}} {{code_version}} (Trunkline {{version}})")],
            stacked=True,
        ),
        Panel(
            "Age of processes",
            "A process that restarts again and again stays young.",
            "s",
            [Query(f'time() - process_start_time_seconds{{{HERE}, job="trunkline"}}', "{{role}} {{process}}")],
        ),
    ],
    "Redis": [
        Panel(
            "Reached by",
            "Processes that get an answer.",
            "short",
            [Query(f"sum(trunkline_redis_up{{{HERE}}})", "processes")],
        ),
        Panel(
            "Memory",
            "Used, and maxmemory (0 is none), by shard.",
            "bytes",
            [Query(of_cluster("trunkline_redis_memory_bytes", "shard"), "shard {{shard}}"),
             Query(of_cluster("trunkline_redis_memory_limit_bytes", "shard"), "maxmemory of shard {{shard}}")],
        ),
        Panel(
            "CPU",
            "One CPU is all that one Redis can use for calls.",
            "percentunit",
            [Query(f"max by (shard) (rate(trunkline_redis_cpu_seconds_total{{{HERE}}}{RATE}))", "shard {{shard}}")],
        ),
        Panel(
            "Calls",
            "Calls a second that it processes, whoever makes them.",
            "ops",
            [Query(f"max by (shard) (rate(trunkline_redis_commands_total{{{HERE}}}{RATE}))", "shard {{shard}}")],
        ),
        Panel(
            "Clients",
            "Connections to it.",
            "short",
            [Query(of_cluster("trunkline_redis_clients", "shard"), "shard {{shard}}")],
        ),
        Panel(
            "Processes on each shard",
            "Interface servers and workers that hold a lease there. A shard without a line does not answer.",
            "short",
            [Query(of_cluster("trunkline_shard_interfaces", "shard"), "interface servers, shard {{shard}}"),
             Query(of_cluster("trunkline_shard_workers", "shard"), "workers, shard {{shard}}")],
        ),
        Panel(
            "Clock skew and persistence",
            "Clocks of the hosts against Redis', and whether it fails to write its append-only file (1).",
            "short",
            [Query(of_cluster("trunkline_clock_skew_seconds", "host, shard"), "{{host}} to shard {{shard}}, seconds"),
             Query(of_cluster("trunkline_redis_append_failing", "shard"), "cannot append, shard {{shard}}")],
        ),
    ],
}  # fmt: skip
