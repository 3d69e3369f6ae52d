"""The policy of docs/eks.md is enough for a run's checkpoints, and for nothing else."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import urllib3

from tenyson.checkpoints.fence import Fence
from tenyson.checkpoints.mirror import Mirror
from tenyson.checkpoints.store import CheckpointStore
from tests.chart.gitops.eks_guide import TEXT, policies

pytestmark = pytest.mark.chart

REGION = "eu-central-1"
(BUCKET,) = set(re.findall(r"--bucket (\S+)", TEXT))


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The keys of a user with that policy, at an S3 that asks for rights from now on."""
    import s3fs
    from moto.core.responses import ActionAuthenticatorMixin
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    urllib3.request("POST", f"http://{host}:{port}/moto-api/reset")
    for name, value in (("ENDPOINT_URL", f"http://{host}:{port}"), ("DEFAULT_REGION", REGION),
                        ("ACCESS_KEY_ID", "admin"), ("SECRET_ACCESS_KEY", "admin")):  # fmt: skip
        monkeypatch.setenv(f"AWS_{name}", value)
    for bucket in (BUCKET, "another"):
        where = {"LocationConstraint": REGION}
        client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    iam = client("iam")
    (policy,) = (p for p in policies() if "Resource" in p["Statement"][0])
    iam.create_user(UserName="runner")
    iam.put_user_policy(UserName="runner", PolicyName="runs", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="runner")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)
    monkeypatch.setattr(ActionAuthenticatorMixin, "request_count", 0)
    yield key
    server.stop()


def client(service: str) -> Any:
    return botocore.session.get_session().create_client(service, region_name=REGION)


def test_checkpoints_are_written_read_and_deleted_with_it(
    runner: dict[str, str], tmp_path: Path
) -> None:
    mirror = Mirror(f"s3://{BUCKET}/runs/research/wordle-sft", pause_seconds=0)
    fence = Fence(tmp_path / "first", 0, mirror)
    fence.claim()
    store = CheckpointStore(fence, keep=3, mirror=mirror)
    for step in (1, 2, 3):
        with store.saving(f"checkpoint-{step}", step=step) as folder:
            (folder / "adapter.bin").write_text(f"weights {step}", encoding="utf-8")
        assert store._uploads.wait(60)
    assert store.warnings == []
    assert len(mirror.finished_folders()) == 3
    again = Fence(tmp_path / "second", 1, mirror)
    again.claim()
    found = CheckpointStore(again, keep=3, mirror=mirror).newest()
    assert found is not None
    assert found.step == 3
    # One alone: of several at once moto asks for a right on the bucket, S3 for that on each object.
    client("s3").delete_object(Bucket=BUCKET, Key="runs/research/wordle-sft/newest_attempt.json")


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [("list_objects_v2", {"Bucket": "another"}),
     ("put_object", {"Bucket": "another", "Key": "runs/x", "Body": b""}),
     ("delete_bucket", {"Bucket": BUCKET}),
     ("list_buckets", {})],
)  # fmt: skip
def test_anything_else_is_denied(
    runner: dict[str, str], operation: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(Exception, match=r"AccessDenied|Forbidden"):
        getattr(client("s3"), operation)(**arguments)
