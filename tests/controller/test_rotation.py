"""When certificates and authorities are renewed, and that no pod is ever left behind."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.x509 import DNSName, load_pem_x509_certificate, load_pem_x509_certificates
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from tenyson.controller.certificates import AUTHORITY_LIFE, hosts_of
from tenyson.controller.rotation import (
    SERVING_LIFE,
    Issued,
    UnusableError,
    hosts_for,
    read,
    renewed,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
HOST = "tenyson-progress.tenyson-system.svc"
DAY = timedelta(days=1)


def first(now: datetime = NOW) -> Issued:
    return renewed(None, (HOST,), now)[0]


def trusts(authority: str, shown: bytes, at: datetime) -> bool:
    """Whether a pod with these authorities takes the certificate that it is shown."""
    store = Store(load_pem_x509_certificates(authority.encode()))
    verifier = PolicyBuilder().store(store).time(at).build_server_verifier(DNSName(HOST))
    try:
        verifier.verify(load_pem_x509_certificate(shown), [])
    except VerificationError:
        return False
    return True


def test_a_fresh_certificate_is_left_alone() -> None:
    issued = first()
    assert renewed(issued, (HOST,), NOW + 59 * DAY) == (issued, "")


def test_a_certificate_is_renewed_after_two_thirds_of_its_life_under_the_same_authority() -> None:
    issued = first()
    later, why = renewed(issued, (HOST,), NOW + 60 * DAY)
    assert why == "two thirds of the certificate's life are over"
    assert later.authorities == issued.authorities
    assert later.serving.until == NOW + 60 * DAY + SERVING_LIFE
    assert trusts(issued.served().authority, later.served().certificate, NOW + 149 * DAY)


def test_an_authority_is_joined_by_the_next_a_year_before_its_end_and_signs_on() -> None:
    issued = first()
    before_it = NOW + AUTHORITY_LIFE - 365 * DAY
    assert len(renewed(issued, (HOST,), before_it)[0].authorities) == 1
    joined, why = renewed(issued, (HOST,), before_it + DAY)
    assert "a new authority is due" in why
    assert len(joined.authorities) == 2
    assert joined.authorities[0].has_signed(joined.serving)
    assert not joined.authorities[1].has_signed(joined.serving)
    assert len(load_pem_x509_certificates(joined.served().authority.encode())) == 2


def test_a_pod_trusts_what_it_is_shown_for_nine_months_whenever_it_began() -> None:
    """Over 25 years, looked at every ten days: the pods of the last nine months, at every look."""
    issued: Issued | None = None
    given: list[tuple[datetime, str]] = []
    now, authorities = NOW, set()
    for _ in range(25 * 36):
        issued, _why = renewed(issued, (HOST,), now)
        served = issued.served()
        given = [(at, pem) for at, pem in given if now - at <= 270 * DAY]
        given.append((now, served.authority))
        for pem in {pem for _, pem in given}:
            assert trusts(pem, served.certificate, now), f"{now}: a pod is left behind"
            assert trusts(pem, served.certificate, now + 10 * DAY)
        authorities.add(issued.authorities[-1].pem)
        now += 10 * DAY
    assert len(authorities) == 3, "and authorities were really replaced meanwhile"


def test_what_was_away_for_too_long_is_made_anew() -> None:
    issued = first()
    later, why = renewed(issued, (HOST,), NOW + AUTHORITY_LIFE + DAY)
    assert "an authority has ended, a new authority is due, the certificate has ended" in why
    assert len(later.authorities) == 1
    assert trusts(later.served().authority, later.served().certificate, NOW + AUTHORITY_LIFE + DAY)


def test_other_names_mean_a_new_certificate_under_the_same_authority() -> None:
    issued = first()
    later, why = renewed(issued, ("other.ns.svc",), NOW + DAY)
    assert why == "pods use other.ns.svc now"
    assert hosts_of(later.serving.certificate) == ("other.ns.svc",)
    assert later.authorities == issued.authorities


def test_all_names_of_a_service_are_good_and_the_one_that_pods_use_comes_first() -> None:
    assert hosts_for("p.ns.svc") == ("p.ns.svc", "p.ns.svc.cluster.local", "p.ns")
    assert hosts_for("p.ns.svc.corp.example")[0] == "p.ns.svc.corp.example"
    assert hosts_for("10.0.0.1") == ("10.0.0.1",)
    assert hosts_for("tenyson.example.com") == ("tenyson.example.com",)


def test_what_a_secret_holds_is_read_as_it_was_written() -> None:
    issued = renewed(first(), (HOST,), NOW + AUTHORITY_LIFE - 300 * DAY)[0]
    assert len(issued.authorities) == 2
    assert read(issued.data()).data() == issued.data()


def without(name: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda data: {**data, name: ""}


def swapped(data: dict[str, str]) -> dict[str, str]:
    return {**data, "tls.key": first().data()["tls.key"]}


def of_another_authority(data: dict[str, str]) -> dict[str, str]:
    other = first().data()
    return {**data, "tls.crt": other["tls.crt"], "tls.key": other["tls.key"]}


def with_a_second_authority_but_no_key(data: dict[str, str]) -> dict[str, str]:
    return {**data, "ca.crt": data["ca.crt"] + first().data()["ca.crt"]}


def cut_short(data: dict[str, str]) -> dict[str, str]:
    return {**data, "tls.crt": data["tls.crt"][:200]}


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (without("ca.crt"), "ca.crt is missing"),
        (without("tls.crt"), "tls.crt is missing"),
        (without("tls.key"), "tls.key is missing"),
        (without("ca.key"), "ca.key is missing"),
        (swapped, "does not belong to"),
        (of_another_authority, "signed by no authority"),
        (with_a_second_authority_but_no_key, "2 certificates in ca.crt and 1 keys"),
        (cut_short, "cannot be read"),
    ],
)
def test_what_does_not_belong_together_is_told_apart(
    broken: Callable[[dict[str, str]], dict[str, str]], says: str
) -> None:
    with pytest.raises(UnusableError, match=says):
        read(broken(first().data()))
