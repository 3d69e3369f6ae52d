"""What the progress endpoint answers when it cannot judge a token."""

import pytest

from tenyson.controller.cache import Cache
from tenyson.controller.progress import ProgressServer, RefusedError
from tenyson.controller.tokens import TokenVerifier
from tests.controller.test_tokens import TOKEN, Keys


async def test_a_pod_is_asked_to_try_again_while_the_keys_cannot_be_read() -> None:
    server = ProgressServer(
        Cache(lambda key, urgent: None), TokenVerifier(Keys(failures=1)), {}, lambda key: None
    )
    with pytest.raises(RefusedError, match="try again") as refused:
        await server._bearer(f"Bearer {TOKEN}", ("n", "j"))
    assert refused.value.code == 503
