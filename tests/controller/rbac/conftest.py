from tests.controller.faults.fixtures import api, cluster, faulty, operator, proxy, unharmed

__all__ = ["api", "cluster", "faulty", "operator", "proxy", "unharmed"]
