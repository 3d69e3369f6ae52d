"""Reading the keys that tokens are checked by."""

import asyncio
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tenyson.contract import PROGRESS_AUDIENCE
from tenyson.controller.tokens import KeysUnavailableError, TokenVerifier

KEY = ec.generate_private_key(ec.SECP256R1())
CLAIMS = {
    "iss": "us",
    "aud": PROGRESS_AUDIENCE,
    "exp": 4_000_000_000,
    "kubernetes.io": {"namespace": "n", "pod": {"uid": "p"}},
}
TOKEN = jwt.encode(CLAIMS, KEY, algorithm="ES256", headers={"kid": "k"})


class Keys:
    """The cluster's keys, unreadable for the first few readings."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.readings = 0

    async def __call__(self) -> tuple[str, dict[str, Any]]:
        self.readings += 1
        await asyncio.sleep(0.01)
        if self.readings <= self.failures:
            raise OSError("away")
        public = jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
        return "us", {"keys": [{**public, "kid": "k"}]}


async def test_after_a_reading_that_failed_the_next_token_is_judged() -> None:
    verifier = TokenVerifier(Keys(failures=1))
    with pytest.raises(KeysUnavailableError, match="away"):
        await verifier.verify(TOKEN)
    assert (await verifier.verify(TOKEN)).pod_uid == "p"


async def test_pods_that_push_at_once_share_a_reading() -> None:
    keys = Keys()
    verifier = TokenVerifier(keys)
    bearers = await asyncio.gather(*(verifier.verify(TOKEN) for _ in range(20)))
    assert {bearer.pod_uid for bearer in bearers} == {"p"}
    assert keys.readings == 1


async def test_keys_that_cannot_be_read_are_no_fault_of_the_tokens() -> None:
    keys = Keys(failures=1)
    verifier = TokenVerifier(keys)
    calls = (verifier.verify(TOKEN) for _ in range(20))
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} == {KeysUnavailableError}
    assert keys.readings == 1
