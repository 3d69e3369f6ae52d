"""What the cluster learns about how a pod's containers ended."""

from __future__ import annotations

import pytest

from hack.cluster.fixtures import Namespace, main_state, shell_pod, terminated
from hack.cluster.waiting import wait_for

pytestmark = pytest.mark.cluster


def test_a_job_runs_to_complete(namespace: Namespace) -> None:
    template = shell_pod("ignored", "echo done")
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "short"},
        "spec": {"template": {"spec": template["spec"]}},
    }
    namespace.create(job)
    done = namespace.wait("Job", "short", _is_complete, "to be complete")
    assert done["status"]["succeeded"] == 1


def _is_complete(job: dict[str, object]) -> bool:
    status = job["status"]
    assert isinstance(status, dict)
    conditions = status.get("conditions") or []
    return any(c["type"] == "Complete" and c["status"] == "True" for c in conditions)


def test_exit_code_reason_and_message_are_reported(namespace: Namespace) -> None:
    namespace.create(shell_pod("p", "printf '{\"run\": 1}' > /dev/termination-log; exit 75"))
    pod = namespace.wait_for_phase("p", "Failed")
    ended = terminated(pod)
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (75, "Error", '{"run": 1}')


def test_a_finished_pod_has_the_conditions_of_a_kubelet(namespace: Namespace) -> None:
    namespace.create(shell_pod("p", "exit 0"))
    pod = namespace.wait_for_phase("p", "Succeeded")
    conditions = {c["type"]: (c["status"], c.get("reason")) for c in pod["status"]["conditions"]}
    assert conditions == {
        "PodScheduled": ("True", None),
        "PodReadyToStartContainers": ("False", None),
        "Initialized": ("True", None),
        "Ready": ("False", "PodCompleted"),
        "ContainersReady": ("False", "PodCompleted"),
    }


def test_the_log_is_the_message_where_the_policy_says_so(namespace: Namespace) -> None:
    policy = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    namespace.create(shell_pod("p", "echo out of memory; exit 71", container=policy))
    pod = namespace.wait_for_phase("p", "Failed")
    assert terminated(pod)["message"] == "out of memory\n"


def test_a_message_written_elsewhere_is_read_from_there(namespace: Namespace) -> None:
    where = {"terminationMessagePath": "/var/run/tenyson/result.json"}
    namespace.create(shell_pod("p", "echo -n here > /run/tenyson/result.json", container=where))
    assert terminated(namespace.wait_for_phase("p", "Succeeded"))["message"] == "here"


def test_a_program_that_does_not_exist_is_a_start_error(namespace: Namespace) -> None:
    namespace.create(shell_pod("p", "", container={"command": ["no-such-program"]}))
    ended = terminated(namespace.wait_for_phase("p", "Failed"))
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert "no-such-program" in ended["message"]


def test_a_container_killed_from_outside_ends_with_137(namespace: Namespace) -> None:
    pod = namespace.create(shell_pod("p", "echo up; sleep 600"))
    namespace.wait_for_phase("p", "Running")
    # Before that it is the sandbox that would be killed, and nothing would have been started.
    kubectl = namespace.cluster.kubectl
    wait_for(lambda: "up" in kubectl("-n", namespace.name, "logs", "p"), "the program to run")
    namespace.cluster.node.kill_container(pod["metadata"]["uid"], "main")
    assert terminated(namespace.wait_for_phase("p", "Failed"))["exitCode"] == 137


def test_an_image_brings_its_command_and_variables(namespace: Namespace) -> None:
    image = {"image": "tenyson/echo:0.1", "command": None, "args": ["$(FROM_IMAGE)"]}
    namespace.create(shell_pod("p", "", container=image))
    namespace.wait_for_phase("p", "Succeeded")
    assert namespace.cluster.kubectl("-n", namespace.name, "logs", "p") == (
        "from the entrypoint: yes\n"
    )


def test_an_unknown_image_keeps_the_pod_waiting(namespace: Namespace) -> None:
    namespace.create(shell_pod("p", "", container={"image": "nowhere/none:1", "command": None}))
    pod = namespace.wait(
        "Pod",
        "p",
        lambda pod: main_state(pod).get("waiting", {}).get("reason") == "ImagePullBackOff",
        "to wait for its image",
    )
    assert "'nowhere/none:1'" in main_state(pod)["waiting"]["message"]


def test_a_failed_container_is_restarted_where_the_policy_says_so(namespace: Namespace) -> None:
    script = "test -e /keep/second && exit 0; touch /keep/second; exit 3"
    volume = {"volumeMounts": [{"name": "keep", "mountPath": "/keep"}]}
    spec = {"restartPolicy": "OnFailure", "volumes": [{"name": "keep", "emptyDir": {}}]}
    namespace.create(shell_pod("p", script, container=volume, **spec))
    status = namespace.wait_for_phase("p", "Succeeded")["status"]["containerStatuses"][0]
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 3


def test_init_containers_run_first_and_in_order(namespace: Namespace) -> None:
    def init(name: str) -> dict[str, object]:
        command = ["/bin/sh", "-c", f"echo {name} >> /keep/order"]
        return {"name": name, "image": "none", "command": command, **volume}

    volume = {"volumeMounts": [{"name": "keep", "mountPath": "/keep"}]}
    namespace.create(
        shell_pod(
            "p",
            "cat /keep/order > /dev/termination-log",
            container=volume,
            initContainers=[init("first"), init("second")],
            volumes=[{"name": "keep", "emptyDir": {}}],
        )
    )
    pod = namespace.wait_for_phase("p", "Succeeded")
    assert terminated(pod)["message"].split() == ["first", "second"]


def test_a_failed_init_container_fails_the_pod(namespace: Namespace) -> None:
    init = {"name": "i", "image": "none", "command": ["/bin/sh", "-c", "exit 4"]}
    namespace.create(shell_pod("p", "exit 0", initContainers=[init]))
    pod = namespace.wait_for_phase("p", "Failed")
    assert "waiting" in main_state(pod)


def test_a_pod_over_its_deadline_fails_with_that_reason(namespace: Namespace) -> None:
    spec = {"activeDeadlineSeconds": 1, "terminationGracePeriodSeconds": 1}
    namespace.create(shell_pod("p", "sleep 600", **spec))
    pod = namespace.wait_for_phase("p", "Failed")
    assert pod["status"]["reason"] == "DeadlineExceeded"


def test_a_claimed_resource_lets_a_pod_be_scheduled(namespace: Namespace) -> None:
    gpu = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    namespace.create(shell_pod("p", "true", container=gpu))
    namespace.wait_for_phase("p", "Succeeded")


def test_a_feature_that_would_be_missed_is_refused(namespace: Namespace) -> None:
    sidecar = {"name": "s", "image": "none", "command": ["sleep", "1"], "restartPolicy": "Always"}
    namespace.create(shell_pod("p", "true", initContainers=[sidecar]))
    pod = namespace.wait_for_phase("p", "Failed")
    assert pod["status"]["message"] == "this node does not know sidecar containers (s)"
