"""A whole simulation: jobs, replicas of the controller, Kubernetes around them, and time."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from tenyson.controller import names
from tenyson.controller.observed import Report
from tests.controller.builders import NOW, job_body
from tests.controller.simulation.api_server import ApiServer, Body
from tests.controller.simulation.machinery import ENDED, Machinery
from tests.controller.simulation.replica import WATCHED, Replica
from tests.controller.simulation.witness import Witness, ended

_STEPS = 2000


class World:
    """One namespace, and what happens in it; each method is one thing that may happen."""

    def __init__(
        self,
        specs: Mapping[str, Body],
        codes: Sequence[int | None],
        skews: Sequence[int] = (0,),
        node_skew: int = 0,
    ) -> None:
        """Makes the jobs and the replicas, of which the first leads.

        Args:
            specs: What each job's spec sets, by the job's name.
            codes: What each attempt ends with, None for never; the last one repeats.
            skews: Seconds that each replica's clock is ahead.
            node_skew: Seconds that the nodes' clocks are ahead.
        """
        self.now = NOW
        self.codes = codes
        self.server = ApiServer(lambda: self.now)
        skewed = timedelta(seconds=node_skew)
        self.machinery = Machinery(self.server, self._code, lambda: self.now + skewed)
        self.witness = Witness(self.server)
        for name, spec in specs.items():
            self.server.put("job", job_body(name, **spec))
        self.replicas = [
            Replica(self.server, lambda: self.now, timedelta(seconds=skew)) for skew in skews
        ]
        for replica in self.replicas[1:]:
            replica.step_down()

    def _code(self, _: str, attempt: int) -> int | None:
        return self.codes[min(attempt, len(self.codes) - 1)]

    @property
    def leader(self) -> Replica:
        """The replica that leads by right."""
        return self.replicas[0]

    def status(self, name: str = "j") -> Body:
        """Returns a job's status."""
        return dict(self.server.objects["job"][name].get("status") or {})

    # What may happen

    def jobs(self, _: int = 0) -> None:
        self.machinery.step_jobs()

    def kubelet(self, which: int = 0) -> None:
        self.machinery.start_pods(which)

    def end(self, _: int = 0) -> None:
        self.machinery.end_pods()

    def flow(self, which: int) -> None:
        """For a while all goes well, except that nothing ends, and that one watch may be late."""
        late = {8: "job", 9: "child", 10: "pod"}.get(which)
        for _ in range(1 + which % 4):
            self.machinery.step_jobs()
            self.machinery.start_pods()
            for kind in WATCHED:
                while kind != late and self.leader.hear(kind):
                    pass
            self.leader.make_pass()

    def garbage(self, _: int = 0) -> None:
        self.machinery.collect_garbage()

    def hear(self, which: int) -> None:
        """A replica hears of the next event of a kind."""
        self.replicas[which // 3 % len(self.replicas)].hear(WATCHED[which % 3])

    def follow(self, which: int) -> None:
        """A replica hears of all that happened to one kind."""
        while self.replicas[which // 3 % len(self.replicas)].hear(WATCHED[which % 3]):
            pass

    def relist(self, which: int) -> None:
        """A replica lists a kind anew, perhaps as it was a moment ago."""
        replica = self.replicas[which // 3 % len(self.replicas)]
        replica.list(WATCHED[which % 3], behind=which % 4)

    def advance(self, which: int, fate: str = "") -> None:
        """A replica goes on by one request; a pass may begin though nothing asked for it."""
        replica = self.replicas[which % len(self.replicas)]
        keys = list(replica.cache.known("job"))
        if keys and replica.leads:
            replica.advance(fate, key=keys[which % len(keys)])
        else:
            replica.advance(fate)

    def work(self, which: int, fate: str = "") -> None:
        """A replica makes a whole pass."""
        replica = self.replicas[which % len(self.replicas)]
        keys = list(replica.cache.known("job"))
        if keys and (replica.leads or replica.busy):
            replica.make_pass(fate, key=keys[which % len(keys)])

    def restart(self, _: int = 0) -> None:
        self.leader.restart()

    def time(self, which: int) -> None:
        """Time goes by: a second to an hour."""
        self.now += timedelta(seconds=(1, 20, 60, 400, 3600)[which % 5])
        for replica in self.replicas:
            replica.ring()

    def take_over(self, which: int) -> None:
        """The other replica leads from now on; the old leader may not know that yet."""
        if which % 2 or len(self.replicas) == 1:
            for replica in self.replicas[1:]:
                replica.step_down()
        else:
            self.replicas = [*self.replicas[1:], self.replicas[0]]
            self.leader.lead()

    def edit(self, which: int, field: str, value: bool) -> None:
        """Somebody sets suspend or stop; that a stop is taken back the API server refuses."""
        if (name := self._pick("job", which)) is not None and (field, value) != ("stop", False):
            self.server.edit(name, **{field: value})

    def resume(self) -> None:
        """Nobody wants any run to stand still."""
        for name in list(self.server.objects["job"]):
            self.server.edit(name, suspend=False)

    def report(self, which: int) -> None:
        """A pod reports a step to the leader."""
        if (name := self._pick("pod", which)) is None:
            return
        pod = self.server.objects["pod"][name]
        labels, leader = pod["metadata"]["labels"], self.leader
        if pod["status"]["phase"] == "Running":
            attempt, now = int(labels[names.LABEL_ATTEMPT]), leader.now()
            key = ("n", labels[names.LABEL_JOB])
            leader.reports[key] = Report(
                attempt, now, step=which, total_steps=40, stepped_at=now, checkpoint_step=which
            )
            leader.add(key)

    def queue(self, which: int) -> None:
        """The queue admits a child, or evicts one."""
        if (name := self._pick("child", which)) is None:
            return
        spec = self.server.objects["child"][name]["spec"]
        if spec.get("suspend"):
            self.machinery.admit(name)
        elif "suspend" in spec:
            self.machinery.evict(name)

    def delete_pod(self, which: int) -> None:
        """Somebody deletes a pod."""
        if (name := self._pick("pod", which)) is not None:
            self.server.delete("pod", name)

    def evict_pod(self, which: int) -> None:
        """The cluster takes a pod away, and says so."""
        self._disrupt(which, "EvictionByEvictionAPI")

    def lose_node(self, which: int) -> None:
        """A pod's node is gone, and the pod garbage collector calls it Failed."""
        self._disrupt(which, "DeletionByPodGC", status={"phase": "Failed"})

    def delete_child(self, which: int) -> None:
        """Somebody deletes a child, its pods after it."""
        if (name := self._pick("child", which)) is not None:
            self.witness.by_hand.add(self.server.objects["child"][name]["metadata"]["uid"])
            self.server.drop("child", name)

    def _disrupt(self, which: int, reason: str, status: Body | None = None) -> None:
        """Takes away a pod that has not ended; its status stays as it is where none is given."""
        if (name := self._pick("pod", which)) is None:
            return
        found = self.server.objects["pod"][name]["status"]
        if found["phase"] not in ENDED:
            disrupted = [{"type": "DisruptionTarget", "status": "True", "reason": reason}]
            self.server.change("pod", name, status={**(status or found), "conditions": disrupted})
            self.server.delete("pod", name)

    def _pick(self, kind: str, which: int) -> str | None:
        found = list(self.server.objects[kind])
        return found[which % len(found)] if found else None

    # The end

    def settle(self) -> None:
        """Lets everything happen in good order, until it is over or stands still.

        Passes are made only when they are due, so whatever is forgotten stays undone.

        Raises:
            AssertionError: Something must not have happened, or never comes to an end.
        """
        for replica in self.replicas[1:]:
            replica.step_down()
        self._catch_up()
        self.witness.see_strays_leave()
        for _ in range(_STEPS):
            if self._move():
                continue
            if all(map(self._is_settled, self._jobs())):
                self.witness.see_end()
                return
            due = [when for replica in self.replicas for when in replica.timers.values()]
            assert due, f"stands still: {[job.get('status') for job in self._jobs()]}"
            self.now = max(self.now, min(due))
            for replica in self.replicas:
                replica.ring()
        raise AssertionError(f"never settles: {[job.get('status') for job in self._jobs()]}")

    def _jobs(self) -> list[Body]:
        return list(self.server.objects["job"].values())

    def _is_settled(self, job: Body) -> bool:
        """Whether a run is over, or waits for what only a person can do."""
        status = job.get("status") or {}
        stands = bool(ended(status)) or status.get("phase") == "Suspended"
        return stands or self._is_orphaned(job)

    def _is_orphaned(self, job: Body) -> bool:
        """Whether a job waits for one that was deleted, perhaps through others."""
        parents = [parent["job"] for parent in job["spec"].get("dependsOn", ())]
        found = self.server.objects["job"]
        return any(name not in found or self._is_orphaned(found[name]) for name in parents)

    def _catch_up(self) -> None:
        """Lets the replicas hear of everything and act on it, while nothing else moves."""
        moved = True
        while moved:
            moved = any([self._act(replica) for replica in self.replicas])  # noqa: C419  each acts
            self.witness.look()

    def _act(self, replica: Replica) -> bool:
        heard = False
        for kind in WATCHED:
            while replica.hear(kind):
                heard = True
        return replica.make_pass() or heard

    def _move(self) -> bool:
        moved = False
        for name, child in list(self.server.objects["child"].items()):
            if child["spec"].get("suspend") and not (child["status"] or {}).get("conditions"):
                self.machinery.admit(name)
                moved = True
        machinery = self.machinery
        steps = machinery.step_jobs, machinery.start_pods, machinery.collect_garbage
        for step in (*steps, machinery.end_pods):
            moved |= step()
        for replica in self.replicas:
            moved |= self._act(replica)
        self.witness.look()
        return moved
