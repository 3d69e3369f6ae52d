"""What a real node needs of this machine, told in one message before anything is started."""

from __future__ import annotations

import os
import shutil
from collections.abc import Container
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.progress import Report, silent
from hack.cluster.system import Program, ensure_programs
from hack.node.commands import run, succeeds

CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
_MODULES = ("overlay", "br_netfilter")
_CNI_PLUGINS = ("bridge", "loopback", "host-local", "portmap")
PROGRAMS = (
    Program("containerd", "containerd", "it runs the node's containers"),
    Program("runc", "runc", "containerd starts containers with it"),
    Program("iptables", "iptables", "kube-proxy makes Services with it"),
    Program("conntrack", "conntrack", "kube-proxy forgets connections with it"),
    Program("ip", "iproute2", "it makes the node's network"),
    Program("nsenter", "util-linux", "it enters the node's network"),
    Program("sysctl", "procps", "it lets the node forward packets"),
    # A shell for small test images; static, so that it runs in an image without a C library.
    Program("busybox", "busybox-static", "it is the image of tests that only need a pod"),
)


def check_system(report: Report = silent) -> None:
    """Install what is missing where that is ours to do, or tell all that is missing at once.

    Raises:
        ClusterError: this user or this machine cannot run a node, with what to do.
    """
    if os.geteuid() != 0:
        raise ClusterError(
            f"a real node needs root (cgroups, mounts, networks), and this is uid {os.geteuid()}; "
            "run it as root: sudo make e2e"
        )
    ensure_programs([*PROGRAMS, *_plugins()], report)
    load_modules()
    filesystems = Path("/proc/filesystems").read_text().split()
    filters = Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists()
    if problems := kernel_problems(filesystems, filters_bridges=filters):
        raise ClusterError("this kernel cannot run a node:\n" + "\n".join(problems))


def load_modules() -> None:
    """Have the kernel load what a fresh Debian has as modules; what it cannot is told later."""
    if modprobe := shutil.which("modprobe"):
        for module in _MODULES:
            succeeds(modprobe, "--quiet", module)


def check_firewall() -> None:
    """Raise an error where this machine would drop what two of its nodes say to each other.

    Their bridge is the machine's, and so are the rules for what passes it; docker drops by default
    whatever it does not know.

    Raises:
        ClusterError: it would, with the rule that lets it through.
    """
    rules = run("iptables", "--list-rules", "FORWARD")
    if "-P FORWARD DROP" in rules and "-i tny+" not in rules:
        raise ClusterError(
            "this machine's firewall drops what is forwarded, also between nodes; let it through: "
            "iptables --insert FORWARD --in-interface tny+ --out-interface tny+ --jump ACCEPT"
        )


def cni_folder() -> Path:
    """The folder with the CNI plugins.

    Raises:
        ClusterError: there is none.
    """
    for folder in CNI_FOLDERS:
        if all((folder / name).exists() for name in _CNI_PLUGINS):
            return folder
    raise ClusterError(
        f"no folder of {', '.join(map(str, CNI_FOLDERS))} has the CNI plugins "
        f"{', '.join(_CNI_PLUGINS)}; on Debian: apt-get install containernetworking-plugins"
    )


def _plugins() -> list[Program]:
    if all((CNI_FOLDERS[1] / name).exists() for name in _CNI_PLUGINS):
        return []
    # A path in place of a name is looked for there alone.
    return [Program(str(CNI_FOLDERS[0] / "bridge"), "containernetworking-plugins", "pods' network")]


def kernel_problems(filesystems: Container[str], *, filters_bridges: bool) -> list[str]:
    """What the kernel lacks, a line each.

    Args:
        filesystems: The words of /proc/filesystems.
        filters_bridges: Whether br_netfilter is there.
    """
    problems = {
        "- no overlay file system; try: modprobe overlay": "overlay" not in filesystems,
        "- bridged packets pass Services by; try: modprobe br_netfilter": not filters_bridges,
        "- no cgroups (CONFIG_CGROUPS)": "cgroup" not in filesystems
        and "cgroup2" not in filesystems,
    }
    return [problem for problem, is_one in problems.items() if is_one]
