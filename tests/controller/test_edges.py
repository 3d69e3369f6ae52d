"""Settings, credentials, certificates, limiter, reports: small parts at the edge."""

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from tenyson.controller import certificate_folder, certificates, credentials, limiter
from tenyson.controller.announcements import Announcement
from tenyson.controller.events import event
from tenyson.controller.policies.retry import backoff_seconds
from tenyson.controller.reasons import Reason
from tenyson.controller.reports import UnreadableReportError, read_report
from tenyson.controller.run_spec import Limits
from tenyson.controller.serving_certificate import ServingCertificate
from tenyson.controller.settings import Settings, from_environment
from tests.controller.builders import NOW, make_job


def test_settings_come_from_the_environment() -> None:
    found = from_environment(
        {"TENYSON_WORKERS": "3", "TENYSON_API_QPS": "7.5", "TENYSON_RUNNER_IMAGE": "r:1"}
    )
    assert found == Settings(workers=3, api_qps=7.5, runner_image="r:1")
    assert Settings(namespaces="a, b").watched == ("a", "b")
    assert Settings().watched == (None,)


def test_a_setting_that_is_no_number_is_named() -> None:
    with pytest.raises(ValueError, match="TENYSON_WORKERS is 'many'"):
        from_environment({"TENYSON_WORKERS": "many"})


def test_a_setting_that_is_true_or_false_is_read_so() -> None:
    assert not from_environment({"TENYSON_LEADER_ELECTION": "false"}).leader_election
    with pytest.raises(ValueError, match="TENYSON_LEADER_ELECTION is 'maybe'; it must be true or"):
        from_environment({"TENYSON_LEADER_ELECTION": "maybe"})


def test_a_lease_that_an_old_leaders_write_could_outlive_is_refused() -> None:
    with pytest.raises(ValueError, match="the first must be 5 more at least"):
        Settings(lease_seconds=14, lease_renew_seconds=10)
    with pytest.raises(ValueError, match="it must be less"):
        Settings(lease_renew_seconds=2, lease_retry_seconds=2)


def test_a_certificate_has_one_place_and_a_name_that_all_replicas_share() -> None:
    with pytest.raises(ValueError, match="set one of them only"):
        Settings(progress_cert_secret="s", progress_cert_dir="/tls", progress_advertise="a")
    with pytest.raises(
        ValueError, match="TENYSON_PROGRESS_ADVERTISE empty; set it to the DNS name"
    ):
        Settings(progress_cert_secret="s")


def test_a_kubeconfig_is_read_with_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://h:1/"}}],
        "users": [{"name": "u", "user": {"tokenFile": "token"}}],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    found = credentials.load({"KUBECONFIG": str(path)})
    assert (found.server, found.token) == ("https://h:1", "secret")


def test_a_missing_kubeconfig_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Set KUBECONFIG"):
        credentials.load({"KUBECONFIG": str(tmp_path / "none")})


def test_a_user_without_a_home_is_told_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod without a token mounted, as a user that the image does not know."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 65532)
    with pytest.raises(FileNotFoundError, match="Set KUBECONFIG"):
        credentials.load({})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "progress.tenyson.svc"])
def test_a_made_certificate_is_good_for_its_host(host: str) -> None:
    made = certificates.make(host)
    client = ssl.create_default_context(cadata=made.authority)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(incoming, outgoing, server_hostname=host)
    serving = ServingCertificate()
    serving.use(made)
    theirs = serving.server_tls.wrap_bio(outgoing, incoming, server_side=True)
    for _ in range(4):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ours.version() == "TLSv1.3"


def test_a_certificate_in_a_folder_is_kept(tmp_path: Path) -> None:
    folder = str(tmp_path / "tls")
    assert certificate_folder.obtain(folder, "a") == certificate_folder.obtain(folder, "a")
    assert (tmp_path / "tls" / "tls.key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("there", [("tls.crt", "tls.key"), ("ca.crt",)])
def test_a_part_of_a_certificate_is_named_and_left_alone(
    there: tuple[str, ...], tmp_path: Path
) -> None:
    for name in there:
        (tmp_path / name).write_text("kept")
    with pytest.raises(FileNotFoundError, match="lacks") as error:
        certificate_folder.obtain(str(tmp_path), "a")
    assert not any(name in str(error.value).split("lacks")[1] for name in there)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        there, "kept"
    )


def test_the_limiter_lets_a_burst_go_and_then_keeps_the_rate() -> None:
    now = [0.0]
    bucket = limiter.Limiter(10, 2, clock=lambda: now[0])
    assert [bucket.reserve() for _ in range(4)] == pytest.approx([0, 0, 0.1, 0.2])
    now[0] = 1.0
    assert bucket.reserve() == 0


def test_backoff_doubles_up_to_its_maximum() -> None:
    waits = [limiter.backoff(n, base=1, most=5, draw=lambda: 1.0) for n in range(5)]
    assert waits == [1, 2, 4, 5, 5]


def test_the_wait_before_a_retry_is_the_same_on_every_pass_and_differs_by_job() -> None:
    limits = Limits(2, 10, backoff_seconds=10, backoff_max_seconds=600)
    waits = {backoff_seconds(f"uid-{n}", 1, limits) for n in range(20)}
    assert len(waits) > 10
    assert all(8 <= wait <= 12 for wait in waits)
    assert backoff_seconds("u", 2, limits) == backoff_seconds("u", 2, limits)
    assert backoff_seconds("u", 30, limits) == 600


def test_a_report_in_trainers_format_is_read() -> None:
    content = (
        b'{"trainerStatus": {"progressPercentage": 250, "estimatedRemainingSeconds": "12",'
        b' "metrics": [{"name": "step", "value": "7"}, {"name": "loss", "value": "inf"}]}}'
    )
    report = read_report(content, 2, NOW)
    assert (report.step, report.percent, report.eta_seconds) == (7, 100, 12)
    assert report.metrics == {}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"trainerStatus": 1}', b"\xff"])
def test_a_report_that_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableReportError, match="cannot be read"):
        read_report(content, 0, NOW)


@pytest.mark.parametrize("value", ['"Infinity"', '"-Infinity"', '"NaN"', "1e999"])
@pytest.mark.parametrize("name", ["progressPercentage", "estimatedRemainingSeconds"])
def test_a_report_with_a_number_that_is_not_finite_is_refused(name: str, value: str) -> None:
    content = f'{{"trainerStatus": {{"{name}": {value}}}}}'.encode()
    with pytest.raises(UnreadableReportError, match="cannot be read"):
        read_report(content, 0, NOW)


def test_every_reason_has_its_own_word_and_a_sentence() -> None:
    assert len({reason.word for reason in Reason}) == len(Reason)
    assert all(reason.sentence.endswith((".", "}")) for reason in Reason)


def test_the_same_event_again_has_the_same_name() -> None:
    said = Announcement("Warning", "R", "message")
    first = event(make_job(), said, NOW, "host")
    later = event(make_job(), said, NOW + timedelta(hours=1), "host")
    assert first["metadata"] == later["metadata"]
    assert first["involvedObject"]["uid"] == "uid-j"
