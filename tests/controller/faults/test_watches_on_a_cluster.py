"""Watches and lists that break, lie, or come late: a job still runs, once, and keeps its result."""

import time
from collections.abc import Callable

import pytest

from tenyson.controller import credentials, transport
from tenyson.controller.cluster import ApiError, Cluster
from tenyson.controller.limiter import Limiter
from tests.controller.api import Namespace, OperatorProcess, eventually, result
from tests.controller.faults import faults
from tests.controller.faults.life import AT_ONCE, ended_well, lives, pauses
from tests.controller.faults.proxy import Fault, FaultProxy

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("unharmed")]

KINDS = ("tenysonjobs", "jobs", "pods")

BREAKS: dict[str, Fault] = {
    "cut off": faults.is_cut(2),
    "cut off within a line": faults.is_cut(1, within_a_line=True),
    "too old, said at once": faults.refuses(410),
    "too old, said in an event": faults.expires(1),
    "too many requests": faults.refuses(429, retry_after="1"),
    "no JSON in a line": faults.talks_nonsense(1),
    "no JSON at all": faults.says(b"<html>502 Bad Gateway</html>\n"),
}


@pytest.mark.parametrize("fault", BREAKS.values(), ids=BREAKS)
def test_watches_that_break_lose_nothing(proxy: FaultProxy, ns: Namespace, fault: Fault) -> None:
    rule = proxy.inject(fault, "watch", times=20)
    proxy.cut_watches()
    lives(ns)
    assert len(rule.hits) > 3


@pytest.mark.parametrize("life", [lives, pauses])
def test_events_that_come_twice_and_late_change_nothing(
    proxy: FaultProxy, ns: Namespace, life: Callable[[Namespace], None]
) -> None:
    rule = proxy.inject(faults.doubles, "watch")
    proxy.cut_watches()
    eventually(lambda: {hit.resource for hit in rule.hits} >= set(KINDS))
    life(ns)


@pytest.mark.parametrize(("life", "seed"), [(lives, 0), (pauses, 1), (pauses, 2)])
def test_events_in_another_order_change_nothing(
    proxy: FaultProxy, ns: Namespace, life: Callable[[Namespace], None], seed: int
) -> None:
    rule = proxy.inject(faults.shuffles(seed), "watch")
    proxy.cut_watches()
    eventually(lambda: {hit.resource for hit in rule.hits} >= set(KINDS))
    life(ns)


def test_what_was_deleted_while_a_watch_was_broken_is_found_out(
    proxy: FaultProxy, ns: Namespace
) -> None:
    ns.create("j", retry=AT_ONCE)
    ns.run_pod("j-a0")
    ns.phase("j", "Running")
    refused = [proxy.inject(faults.refuses(503), "watch", kind) for kind in KINDS]
    proxy.cut_watches()
    eventually(lambda: all(rule.hits for rule in refused))
    ns.api.call("DELETE", f"{ns.batch}/jobs/j-a0", {"propagationPolicy": "Background"})
    eventually(lambda: ns.is_stopping("j-a0"))
    ns.remove_pod("j-a0")
    proxy.clear()
    ns.run_to_end("j-a1", 0, result())
    assert [a["class"] for a in ns.phase("j", "Succeeded")["attempts"]] == ["Infra", "Completed"]


def test_lists_that_take_long_are_waited_for(proxy: FaultProxy, ns: Namespace) -> None:
    rule = proxy.inject(faults.waits(2), "list")
    proxy.cut_watches()
    eventually(lambda: rule.hits)
    lives(ns)


@pytest.mark.parametrize(
    "fault", [faults.refuses(500), faults.breaks_off, faults.says(b"{}"), faults.says(b"[]")],
    ids=["refused", "cut short", "empty", "no object"],
)  # fmt: skip
def test_a_list_that_fails_is_asked_for_again(
    proxy: FaultProxy, ns: Namespace, fault: Fault
) -> None:
    rules = [proxy.inject(fault, "list", kind, times=3) for kind in KINDS]
    proxy.cut_watches()
    lives(ns)
    eventually(lambda: all(len(rule.hits) == 3 for rule in rules))


def test_a_server_that_calls_every_watch_too_old_is_not_run_into_the_ground(
    proxy: FaultProxy, ns: Namespace
) -> None:
    rule = proxy.inject(faults.refuses(410), "watch", "pods")
    proxy.cut_watches("pods")
    eventually(lambda: rule.hits)
    before = len(proxy.seen("list", "pods"))
    time.sleep(4)
    assert len(proxy.seen("list", "pods")) - before <= 16


async def test_a_watch_that_hears_nothing_is_given_up(
    proxy: FaultProxy, operator: OperatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_SILENCE_SECONDS", 0.5)
    proxy.inject(faults.is_silent, "watch", "pods")
    known = credentials.load({"KUBECONFIG": str(operator.kubeconfig)})
    cluster = Cluster(known, Limiter(100, 100))
    with pytest.raises(ApiError, match="Unreachable"):
        await anext(cluster.watch("/api/v1/pods", "", ""))
    await cluster.close()


# From the past


def _restart_onto_the_past(proxy: FaultProxy, operator: OperatorProcess, ns: Namespace) -> None:
    """Starts the operator so that its next start will see the cluster as it is now."""
    operator.kill()
    ns.create("j", retry=AT_ONCE)
    for kind in KINDS:
        proxy.inject(faults.Stale(), "list", kind)
    operator.start()


@pytest.mark.parametrize("ended", [False, True], ids=["runs", "ended"])
def test_a_list_from_the_past_starts_nothing_again(
    proxy: FaultProxy, operator: OperatorProcess, ns: Namespace, ended: bool
) -> None:
    _restart_onto_the_past(proxy, operator, ns)
    ns.run_to_end("j-a0", 75)
    ns.run_pod("j-a1")
    ns.phase("j", "Running", attempt=1)
    if ended:
        ns.end_pod("j-a1", 0, result())
        ns.phase("j", "Succeeded")
    operator.restart()
    ns.create("later")
    ns.child("later-a0")
    if not ended:
        ns.end_pod("j-a1", 0, result())
    ended_well(ns)


def test_a_finished_run_without_its_child_is_not_run_again_by_a_view_of_the_past(
    proxy: FaultProxy, operator: OperatorProcess, ns: Namespace
) -> None:
    _restart_onto_the_past(proxy, operator, ns)
    ns.run_to_end("j-a0", 0, result())
    ended = ns.phase("j", "Succeeded")
    ns.api.call("DELETE", f"{ns.batch}/jobs/j-a0", {"propagationPolicy": "Background"})
    eventually(lambda: not ns.children())
    for kind in KINDS:
        proxy.inject(faults.is_silent, "watch", kind)
    operator.restart()
    eventually(lambda: proxy.seen("create", "jobs", ns.name)[1:])
    proxy.clear()
    eventually(lambda: not ns.children())
    assert ns.status("j") == ended
