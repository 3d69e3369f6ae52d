"""The table: what is to be reached, what was, and whether that is enough."""

from collections.abc import Iterator, Mapping

from benchmarks.rows import Row, aligned, number

Measured = Mapping[str, Mapping[str, float]]
"""Figures by scenario."""


_COST = (
    Row("writes_per_job", "API writes per job until settled"),
    Row("kubernetes_cpu_ms_per_job", "CPU per job of etcd and API server", "ms"),
)
_BURST = (
    Row("children_per_s", "child Jobs per second", at_least=100),
    Row("longest_wait_s", "longest wait for a child", "s"),
    Row("other_namespace_wait_s", "wait of one job of another namespace", "s", at_most=1),
    Row("cpu_ms_per_job", "CPU per job until settled", "ms", at_most=8),
    Row("peak_mb", "RSS at most", "MB", at_most=120),
    *_COST,
)


def _restart(served_s: float) -> tuple[Row, ...]:
    return (
        Row("restart_writes", "writes", at_most=0),
        Row("restart_served_s", "a new job has its child", "s", at_most=served_s),
        Row("restart_cpu_s", "CPU until settled", "s"),
    )


_IDLE = (
    Row("idle_writes_per_s", "writes per second", at_most=0),
    Row("idle_cpu_percent", "of a core", "%", at_most=1),
)
SECTIONS: Mapping[str, tuple[tuple[str, tuple[Row, ...]], ...]] = {
    "rate": (
        (
            "Create -> child Job, {jobs} jobs at 10/s",
            (
                Row("p50_ms", "P50", "ms", at_most=12),
                Row("p90_ms", "P90", "ms"),
                Row("p99_ms", "P99", "ms", at_most=40),
                Row("max_ms", "max", "ms"),
                Row("cpu_ms_per_job", "CPU per job until settled", "ms"),
                *_COST,
            ),
        ),
    ),
    "burst": (
        ("Burst of {jobs} jobs", _BURST),
        ("  then a restart over them", (*_restart(3), Row("restart_peak_mb", "RSS at most", "MB"))),
        ("  then a minute of nothing", _IDLE),
    ),
    "long burst": (("Burst of {jobs} jobs", tuple(r for r in _BURST if r.figure != "peak_mb")),),
    "many": (
        (
            "{jobs} jobs that wait for a GPU, each with its child Job and pod",
            (
                Row("rss_mb", "RSS", "MB", at_most=300),
                Row("peak_mb", "RSS at most", "MB"),
            ),
        ),
        (
            "  then a restart over them",
            (*_restart(20), Row("restart_peak_mb", "RSS at most", "MB", at_most=300)),
        ),
        ("  then a minute of nothing", _IDLE),
    ),
    "life": (
        (
            "A job's life without progress: its pod waits, runs, succeeds",
            (
                Row("writes_to_start", "API writes until it runs", at_most=4),
                Row("writes_in_all", "API writes in all", at_most=8),
                Row("writes_of_events", "Events, apart"),
            ),
        ),
    ),
    "failover": (
        (
            "The leader of two replicas is killed (SIGKILL)",
            (Row("takeover_s", "until another makes a new job's child", "s", at_most=20),),
        ),
    ),
}


def lines(
    scenario: str, jobs: int, ours: Mapping[str, float], other: Mapping[str, float]
) -> list[str]:
    """Returns a scenario's part of the table.

    Args:
        scenario: A key of SECTIONS.
        jobs: How many jobs it had.
        ours: Our figures.
        other: The alternative's figures; empty where it was not measured.
    """
    return list(_lines(scenario, jobs, ours, other))


def heading(other: str) -> str:
    """Returns the table's first line."""
    return aligned("", "reach", "Tenyson", other, "")


def missed(scenario: str, ours: Mapping[str, float]) -> list[str]:
    """Returns the labels of the promises that were not kept."""
    return [
        f"{title.strip()}: {row.label}"
        for title, rows in SECTIONS[scenario]
        for row in rows
        if row.figure in ours and row.is_reached_by(ours[row.figure]) is False
    ]


def _lines(
    scenario: str, jobs: int, ours: Mapping[str, float], other: Mapping[str, float]
) -> Iterator[str]:
    for title, rows in SECTIONS[scenario]:
        shown = [row for row in rows if row.figure in ours]
        if not shown:
            continue
        yield title.format(jobs=f"{jobs:,}".replace(",", " "))
        for row in shown:
            value = ours[row.figure]
            beside = number(other[row.figure], row.unit) if row.figure in other else ""
            verdict = {True: "ok", False: "MISSED", None: ""}[row.is_reached_by(value)]
            label = f"    {row.label}"
            yield aligned(label, row.goal, number(value, row.unit), beside, verdict)
