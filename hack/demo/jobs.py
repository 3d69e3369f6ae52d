"""The demo's TenysonJobs, as the API serves them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from hack.demo.target import Target
from tenyson.controller.names import GROUP, PLURAL, VERSION

_AWAY_SECONDS = 60.0


def names_in(manifest: Path) -> list[str]:
    """Returns the names of the TenysonJobs in a manifest, in its order."""
    objects = yaml.safe_load_all(manifest.read_text(encoding="utf-8"))
    return [item["metadata"]["name"] for item in objects if item["kind"] == "TenysonJob"]


def lister(target: Target) -> Callable[[], list[dict[str, Any]]]:
    """Returns a function that lists the namespace's TenysonJobs; it bears a minute's outage."""
    api = client.CustomObjectsApi(config.new_client_from_config(str(target.kubeconfig)))

    def list_jobs() -> list[dict[str, Any]]:
        deadline = time.monotonic() + _AWAY_SECONDS
        while True:
            try:
                found = api.list_namespaced_custom_object(
                    GROUP, VERSION, target.namespace, PLURAL, _request_timeout=10
                )
            except (ApiException, HTTPError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(1.0)
                continue
            jobs: list[dict[str, Any]] = found["items"]
            return jobs

    return list_jobs


def phase(job: dict[str, Any]) -> str:
    """Returns the job's phase; Pending before the controller has seen it."""
    return (job.get("status") or {}).get("phase") or "Pending"


def output_folder(target: Target, job: dict[str, Any]) -> Path | None:
    """Returns the job's output folder as seen from here; None where it is out of reach."""
    result = (job.get("status") or {}).get("result") or {}
    uri = str(result.get("outputUri", ""))
    if target.runs is None or not uri.startswith("pvc://"):
        return None
    return target.runs / uri.removeprefix("pvc://").split("/", 1)[1]
