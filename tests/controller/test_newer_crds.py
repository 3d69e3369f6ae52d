"""A controller that is older than the CRDs: what it cannot read neither starts nor ends."""

from tenyson.controller.plan import plan
from tests.controller.builders import NOW, condition, make_child, make_job, make_pod, observe


def test_a_job_with_a_newer_field_waits_and_says_so() -> None:
    done = plan(observe(make_job(purpose="try")), NOW)
    assert not done.create
    assert done.status is not None
    accepted = condition(done.status, "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "InvalidSpec")
    assert "upgrade the controller. spec.purpose" in accepted["message"]


def test_a_run_with_a_newer_field_goes_on() -> None:
    first = plan(observe(make_job()), NOW)
    job = make_job(status=first.status, purpose="try")
    done = plan(observe(job, make_child(), make_pod()), NOW)
    assert not done.delete
    assert done.status is not None
    assert condition(done.status, "Running")["status"] == "True"
