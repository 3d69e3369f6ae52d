from tests.controller.faults.fixtures import api, cluster, faulty, operator, proxy

__all__ = ["api", "cluster", "faulty", "operator", "proxy"]
