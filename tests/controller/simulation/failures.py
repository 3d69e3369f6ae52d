"""How a pod fails its Job, as the Job controller sees it."""

from tests.controller.simulation.api_server import Body


def counts_as_failed(child: Body, pod: Body) -> bool:
    """Whether a pod fails its Job: one that a suspension took does so only under a policy."""
    released = "released" in pod["metadata"] and "podFailurePolicy" not in child["spec"]
    return pod["status"]["phase"] == "Failed" and not released


def why(child: Body, pod: Body) -> str:
    """Returns what the Job's condition says."""
    if "podFailurePolicy" not in child["spec"]:
        return "Job has reached the specified backoff limit"
    name = f"n/{pod['metadata']['name']}"
    for condition in pod["status"].get("conditions") or ():
        if condition["type"] == "DisruptionTarget":
            return f"Pod {name} has condition DisruptionTarget matching FailJob rule at index 0"
    containers = pod["status"].get("containerStatuses")
    if not containers:
        return "Job has reached the specified backoff limit"
    code = containers[0]["state"]["terminated"]["exitCode"]
    return f"Container runner for pod {name} failed with exit code {code} matching FailJob rule"
