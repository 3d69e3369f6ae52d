"""Where the CRDs of others come from: the Go modules that they are released as."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from hack.charttools.modules import Module
from hack.cluster.errors import ClusterError
from tests.controller.client import eventually

ARGO_CD: Final = Module(
    "github.com/argoproj/argo-cd/v3", "3.5.7", "h1:Xm1BF+I5OgDKUG3SDK49vn2/Y5AMyaNVko+/JT08gj0="
)
KUSTOMIZE_CONTROLLER: Final = Module(
    "github.com/fluxcd/kustomize-controller",
    "1.9.6",
    "h1:XB+G3A0mky0j5uVHZWv4oSlS2RvZBoNIUhstIvY0JKE=",
)
SOURCE_CONTROLLER: Final = Module(
    "github.com/fluxcd/source-controller",
    "1.9.6",
    "h1:nG534/bI6nVpyHra7ONAk6xDB3xPsVT+EOLHZHXPrrc=",
)
HELM_CONTROLLER: Final = Module(
    "github.com/fluxcd/helm-controller", "1.6.0", "h1:jlS5X11SG26gspubB5aLrdVSCm0q0tA4ULsY+vwSkL0="
)
KARPENTER: Final = Module(
    "sigs.k8s.io/karpenter", "1.14.0", "h1:+SXlqYNb9FIKRpDgPPRnphVmWbrWLw4tgzKezr372Mc="
)
KARPENTER_AWS: Final = Module(
    "github.com/aws/karpenter-provider-aws",
    "1.14.0",
    "h1:QVQ947vQKzxM87aDbpZBtUnlVRVcU75c/RMlgVyX7nc=",
)


def crds_of_gitops() -> list[Path]:
    """Returns the folders with the CRDs of Argo CD and of Flux."""
    flux = (KUSTOMIZE_CONTROLLER, SOURCE_CONTROLLER, HELM_CONTROLLER)
    argo = [
        ARGO_CD.folder() / f"manifests/crds/{kind}-crd.yaml"
        for kind in ("application", "appproject")
    ]
    return [*argo, *(module.folder() / "config/crd/bases" for module in flux)]


def crds_of_karpenter() -> list[Path]:
    """Returns the folders with the CRDs of Karpenter and of its provider for AWS."""
    return [module.folder() / "pkg/apis/crds" for module in (KARPENTER, KARPENTER_AWS)]


def establish(cluster: Any, crds: Iterable[Path]) -> None:
    """Applies CRDs, and waits until their kinds are served."""
    for path in crds:
        cluster.kubectl("apply", "--server-side", "-f", str(path))
    for path in crds:
        eventually(lambda path=path: _is_established(cluster, path))  # type: ignore[misc]


def _is_established(cluster: Any, path: Path) -> bool:
    try:
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=10s", "-f", str(path))
    except ClusterError:  # One that has no conditions at all yet, kubectl does not wait for.
        return False
    return True
