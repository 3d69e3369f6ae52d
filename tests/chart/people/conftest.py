from tests.controller.conftest import api, cluster, ns

__all__ = ["api", "cluster", "ns"]
