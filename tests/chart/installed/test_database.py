"""Telemetry in a database of one's own, and in the one for trials."""

import base64
import json

import psycopg
import pytest

from hack.cluster.local import LocalCluster
from tests.chart.installed import guide
from tests.chart.installed.helm import Release
from tests.chart.installed.jobs import Jobs, apply, went_on_undisturbed

pytestmark = [pytest.mark.chart, pytest.mark.cluster, pytest.mark.train, pytest.mark.timeout(1200)]


def rows_of(jobs: Jobs, job: str, url: str) -> int:
    """Returns how many rows of training metrics a database holds of a job's run."""
    run = jobs.status(job)["runId"]
    with psycopg.connect(url) as connection:
        query = "SELECT count(*) FROM sft_metrics WHERE run_id = %s"
        found = connection.execute(query, (run,)).fetchone()
    return int(found[0]) if found else 0


def embedded_url(release: Release) -> str:
    """Returns the trial database's URL as a run has it, with its pod's address for its name."""
    cluster, namespace = release.helm.cluster, release.namespace
    secret = cluster.kubectl("get", "secret", "tenyson-postgresql", "-n", "default", "-o", "json")
    url = base64.b64decode(json.loads(secret)["data"]["url"]).decode()
    pod = ("get", "pod", "tenyson-postgresql-0", "-n", namespace, "-o", "jsonpath={.status.podIP}")
    return url.replace(f"tenyson-postgresql.{namespace}.svc", cluster.kubectl(*pod))


def volume_for_trials(cluster: LocalCluster, namespace: str) -> None:
    """Makes what a cluster's default StorageClass would: a volume for the database's claim."""
    folder = cluster.state_dir / "trial-database"
    folder.mkdir(exist_ok=True)
    spec = {
        "capacity": {"storage": "8Gi"},
        "accessModes": ["ReadWriteOnce"],
        "claimRef": {"name": "data-tenyson-postgresql-0", "namespace": namespace},
        "hostPath": {"path": str(folder)},
    }
    metadata = {"name": "trial-database"}
    apply(
        cluster,
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec},
    )


def test_an_own_database_is_brought_up_to_date_and_filled(
    system: Release, cluster: LocalCluster
) -> None:
    jobs = Jobs(cluster, "default").prepare()
    (script,) = guide.blocks("database")
    guide.run(script, system.helm, DATABASE_URL=cluster.database_url)
    jobs.apply("stored")
    assert went_on_undisturbed(jobs.finish("stored"))
    assert rows_of(jobs, "stored", cluster.database_url) >= 1


def test_the_database_for_trials_is_filled_and_keeps_its_password_over_an_upgrade(
    system: Release, cluster: LocalCluster
) -> None:
    jobs = Jobs(cluster, "default").prepare()
    volume_for_trials(cluster, system.namespace)
    (script,) = guide.blocks("trial")
    guide.run(script, system.helm)
    url = embedded_url(system)
    system.upgrade("--reset-then-reuse-values")
    assert embedded_url(system) == url
    jobs.apply("on-trial")
    assert went_on_undisturbed(jobs.finish("on-trial"))
    assert rows_of(jobs, "on-trial", url) >= 1
