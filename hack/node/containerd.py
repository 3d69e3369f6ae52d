"""A containerd of one node: its own root, state, socket and pod network."""

from __future__ import annotations

import json
import os
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.files import write_atomically
from hack.cluster.processes import Supervised
from hack.cluster.waiting import wait_for
from hack.node.commands import run, succeeds
from hack.node.images import PAUSE
from hack.node.network import Network
from hack.node.system import cni_folder

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Containerd:
    """The container runtime of the node with an index."""

    def __init__(self, state_dir: Path, network: Network, index: int) -> None:
        self.folder = state_dir / f"node{index}" / "containerd"
        self.socket = self.folder / "c.sock"  # a socket's path may have 107 bytes
        self.process = Supervised(state_dir, f"node{index}-containerd")
        self._network, self._index = network, index

    def start(self) -> None:
        """Start it unless it runs, and return once it answers."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        if len(os.fsencode(self.socket)) > 107 - len(".ttrpc"):
            raise ClusterError(f"{self.socket} is too long for a socket; choose a shorter folder")
        write_atomically(self.folder / "config.toml", self._config())
        cni = self.folder / "cni"
        cni.mkdir(exist_ok=True)
        write_atomically(cni / "10-tenyson.conflist", json.dumps(self._cni()))
        program = ["containerd", f"--config={self.folder / 'config.toml'}"]
        # It starts runc, its shims and iptables by name, and sudo may have left out /usr/sbin.
        environment = {**os.environ, "PATH": _SYSTEM_PATH}
        self.process.start([*self._network.inside(self._index), *program], environment)
        wait_for(self._answers, "containerd to answer", 30.0)

    def import_image(self, archive: Path) -> None:
        """Make the images of a docker-archive known to the node."""
        self.ctr("images", "import", str(archive))

    def images(self) -> list[str]:
        """The names of the images that it has."""
        return self.ctr("images", "list", "-q").split()

    def ctr(self, *arguments: str) -> str:
        """What containerd's own client prints."""
        return run("ctr", f"--address={self.socket}", "--namespace=k8s.io", *arguments)

    def _answers(self) -> bool:
        self.process.check()
        return succeeds("ctr", f"--address={self.socket}", "version")

    def _config(self) -> str:
        cri = 'plugins."io.containerd.grpc.v1.cri"'
        return f"""\
version = 2
root = "{self.folder / "root"}"
state = "{self.folder / "state"}"
# Each of these looks for a file system or a program that is not there, and warns.
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
  address = "{self.socket}"

[{cri}]
  sandbox_image = "{PAUSE}"
  # Where root lacks CAP_SYS_RESOURCE no sandbox starts without it: "can't get final child's PID".
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [{cri}.cni]
    bin_dir = "{cni_folder()}"
    conf_dir = "{self.folder / "cni"}"
  [{cri}.containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [{cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [{cri}.containerd.runtimes.runc.options]
        SystemdCgroup = false
"""

    def _cni(self) -> dict[str, object]:
        pods = self._network.pods(self._index)
        ipam = {
            "type": "host-local",
            "dataDir": str(self.folder / "addresses"),
            "ranges": [[{"subnet": pods}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True}
        ports = {"type": "portmap", "capabilities": {"portMappings": True}}
        plugins = [{**bridge, "ipam": ipam}, ports]
        return {"cniVersion": "0.4.0", "name": "tenyson", "plugins": plugins}
