"""The controller's rights: it is never refused anything, and needs every verb that it has.

Everything that it asks of the API server passes the proxy, which writes it down.
"""

import pytest

from tests.controller.api import Api, OperatorProcess
from tests.controller.faults.proxy import FaultProxy
from tests.controller.faults.request import Request
from tests.controller.rbac.actions import live_through_all, make_namespace
from tests.controller.rbac.roles import cluster_wide, granted, refused, used

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def asked(api: Api, faulty: FaultProxy, operator: OperatorProcess) -> list[Request]:
    """Everything that the operator asked for in lives that use all it can do."""
    lives, full = make_namespace(api, "lives"), make_namespace(api, "full")
    live_through_all(lives, full, faulty, operator)
    return list(faulty.requests)


def test_nothing_that_it_asks_for_is_refused(asked: list[Request]) -> None:
    assert refused(asked) == set()


def test_its_roles_hold_what_it_asks_for_and_nothing_else(asked: list[Request]) -> None:
    assert used(asked) == granted(cluster_wide())


def test_paths_that_are_no_resource_are_open_to_every_service_account(asked: list[Request]) -> None:
    paths = {request.path: request.status for request in asked if not request.resource}
    assert paths["/openid/v1/jwks"] == 200
    assert set(paths.values()) == {200}
