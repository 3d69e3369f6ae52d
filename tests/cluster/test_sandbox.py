"""What a container sees of the machine, as bubblewrap's arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hack.cluster.node.sandbox import Entry, Mount, Sandbox, bwrap_argv


class FakeHost:
    """A machine with a few folders; a string is where a link points to."""

    def __init__(self, tree: Mapping[str, Sequence[str] | str]) -> None:
        self._tree = tree

    def entries(self, folder: str) -> Sequence[Entry]:
        names = self._tree.get(folder, [])
        paths = [f"{folder.rstrip('/')}/{name}" for name in names]
        return [Entry(p, self._is_folder(p), self._link(p)) for p in paths]

    def exists(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        return name in self._tree.get(folder or "/", [])

    def resolve(self, path: str) -> str:
        for link, target in self._tree.items():
            if isinstance(target, str) and (path == link or path.startswith(f"{link}/")):
                return target + path.removeprefix(link)
        return path

    def _is_folder(self, path: str) -> bool:
        return isinstance(self._tree.get(path), list)

    def _link(self, path: str) -> str | None:
        value = self._tree.get(path)
        return value if isinstance(value, str) else None


HOST = FakeHost(
    {
        "/": ["bin", "dev", "etc", "proc", "run", "tmp", "usr", "var"],
        "/bin": "/usr/bin",
        "/etc": ["passwd", "resolv.conf"],
        "/etc/resolv.conf": "/run/systemd/resolv.conf",
        "/usr": ["bin", "lib"],
        "/usr/bin": ["sh"],
        "/var": ["lib", "run", "tmp"],
        "/var/run": "/run",
    }
)


def _argv(*mounts: Mount, read_only_root: bool = False, shared: Sequence[str] = ()) -> str:
    sandbox = Sandbox(["prog", "--x"], "pod", "/", "/state/0", mounts, shared, read_only_root)
    return " ".join(bwrap_argv(sandbox, HOST))


def test_the_machines_files_are_bound_read_only_and_links_stay_links() -> None:
    argv = _argv()
    assert "--symlink /usr/bin /bin" in argv
    assert "--ro-bind-try /etc /etc" in argv
    assert argv.endswith("--chdir / -- prog --x")


def test_folders_of_the_containers_own_are_not_the_machines() -> None:
    argv = _argv()
    assert "--ro-bind-try /tmp" not in argv
    assert "--ro-bind-try /var/tmp" not in argv
    assert "--bind /state/0/tmp /tmp --bind /state/0/var-tmp /var/tmp" in argv


def test_the_folders_above_a_new_path_are_made_anew() -> None:
    argv = _argv(Mount("/s", "/etc/tenyson/config", read_only=True))
    assert "--dir /etc --ro-bind-try /etc/passwd /etc/passwd" in argv
    assert "--ro-bind /s /etc/tenyson/config" in argv


def test_a_path_that_exists_is_mounted_over() -> None:
    argv = _argv(Mount("/s", "/usr/lib"))
    assert "--ro-bind-try /usr /usr" in argv
    assert "--bind /s /usr/lib" in argv


def test_a_path_behind_a_link_is_mounted_where_the_link_points() -> None:
    assert "--bind /s /run/secrets/x" in _argv(Mount("/s", "/var/run/secrets/x"))


def test_a_folder_is_mounted_before_what_is_in_it() -> None:
    argv = _argv(Mount("/b", "/output/inner"), Mount("/a", "/output"))
    assert argv.index("--bind /a /output") < argv.index("--bind /b /output/inner")


def test_shared_paths_and_the_resolver_stay_visible_in_own_folders() -> None:
    argv = _argv(shared=["/tmp/checkout", "/usr/lib"])
    assert "--ro-bind-try /tmp/checkout /tmp/checkout" in argv
    assert "--ro-bind-try /run/systemd/resolv.conf /run/systemd/resolv.conf" in argv
    assert "--ro-bind-try /usr/lib /usr/lib" not in argv


def test_a_volume_over_tmp_does_not_hide_a_checkout_in_it() -> None:
    argv = _argv(Mount("/volumes/tmp", "/tmp"), shared=["/tmp/checkout"])
    volume, checkout = "--bind /volumes/tmp /tmp", "--ro-bind-try /tmp/checkout /tmp/checkout"
    assert argv.rindex(checkout) > argv.index(volume)


def test_a_read_only_root_is_closed_last() -> None:
    argv = _argv(Mount("/s", "/output"), read_only_root=True)
    assert argv.index("--remount-ro /") > argv.index("--bind /s /output")
