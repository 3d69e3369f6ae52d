"""Attempts about to be made, and what is created for them."""

from typing import Any

from tenyson.controller import names
from tenyson.controller.manifests import child
from tenyson.controller.manifests.environment import environment
from tenyson.controller.manifests.start import Start
from tenyson.controller.policies.adapter import Adapter
from tenyson.controller.policies.pins import NOTHING
from tenyson.controller.resource.runtime import TenysonRuntimeSpec
from tenyson.controller.run_spec import RunSpec
from tests.controller.builders import DEFAULTS, make_job

Body = dict[str, Any]
RUN = names.run_id("uid-j")
LABELS = {names.LABEL_JOB: "j", names.LABEL_ATTEMPT: "1", names.LABEL_RUN: RUN}


def start(runtime: Any = None, *, adapter: Adapter | None = None, **spec: Any) -> Start:
    job = make_job(**spec)
    assert job.spec is not None
    run = RunSpec(job.spec, TenysonRuntimeSpec.model_validate(runtime or {}), {}, "runner:1")
    return Start(job, run, 1, adapter, NOTHING, DEFAULTS)


def made(runtime: Any = None, **spec: Any) -> Body:
    return child.child_job(start(runtime, **spec))


def pod_of(runtime: Any = None, **spec: Any) -> Body:
    return dict(made(runtime, **spec)["spec"]["template"]["spec"])


def container_of(runtime: Any = None, **spec: Any) -> Body:
    return dict(pod_of(runtime, **spec)["containers"][0])


def env(runtime: Any = None, **spec: Any) -> Body:
    return {
        v["name"]: v.get("value", v.get("valueFrom")) for v in environment(start(runtime, **spec))
    }
