"""Files that other projects ship inside their Go modules: fetched once, checked by their sums."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.binaries import KUBERNETES_VERSION, cache_folder
from hack.cluster.errors import ClusterError
from hack.cluster.golang import find_go
from hack.cluster.progress import Report, silent


@dataclass(frozen=True)
class Module:
    """A Go module of which only files are read; it is not built."""

    path: str
    version: str
    sum: str
    """What a go.sum says of it."""

    def folder(self, report: Report = silent) -> Path:
        """Where its files lie, read-only, in Go's own cache.

        Raises:
            ClusterError: it cannot be fetched, or is not what the sum says.
        """
        go = find_go(cache_folder() / "go", "1.24", report)
        answer = self._download(go)
        found = json.loads(answer.stdout or "{}")
        if answer.returncode != 0 or "Dir" not in found:
            raise ClusterError(
                f"go mod download {self.path}@v{self.version} failed; it needs a Go module proxy "
                f"(GOPROXY). It said: {found.get('Error') or answer.stderr[-2000:]}"
            )
        if found["Sum"] != self.sum:
            raise ClusterError(
                f"{self.path}@v{self.version} has the sum {found['Sum']}, not {self.sum} as "
                "hack/charttools/modules.py says. A new version needs its sum there; the same "
                "version must never have another."
            )
        return Path(found["Dir"])

    def _download(self, go: str) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as nowhere:  # a go.mod above would have a say
            return subprocess.run(
                [go, "mod", "download", "-json", f"{self.path}@v{self.version}"],
                cwd=nowhere,
                env={**os.environ, "GOFLAGS": "-mod=mod"},
                capture_output=True,
                text=True,
                check=False,
            )


KUBERNETES = Module(
    "k8s.io/kubernetes", KUBERNETES_VERSION, "h1:Yy6R4QB8C9kJPp25GFqEvX5XQwY5qzKeqD0Xx6oAcmk="
)
PROMETHEUS_OPERATOR = Module(
    "github.com/prometheus-operator/prometheus-operator",
    "0.85.0",
    "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
)
CERT_MANAGER = Module(
    "github.com/cert-manager/cert-manager",
    "1.21.2",
    "h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=",
)
