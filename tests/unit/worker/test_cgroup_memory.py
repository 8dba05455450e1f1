"""The memory limit of the worker's cgroup, and what is used of it, from trees of files as Linux shows them."""

from pathlib import Path

import pytest

from celery_gossip.worker.cgroup_memory import CgroupMemory, read_cgroup_memory

GIB = 2**30
V2_MOUNT = "25 1 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1_MOUNT = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
V1_CPU_MOUNT = "33 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu"
UNLIMITED_V1 = "9223372036854771712"
NOTHING = CgroupMemory(None, None)


class Host:
    """A root folder with the files of /proc and of cgroups."""

    def __init__(self, root: Path, cgroup: str, mounts: str) -> None:
        self.root = root
        self.write("proc/self/cgroup", cgroup)
        self.write("proc/self/mountinfo", mounts)

    def write(self, path: str, text: str | int) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")

    def v2(self, folder: str, limit: str | int, current: int = 0, **stat: int) -> None:
        base = f"sys/fs/cgroup/{folder}"
        self.write(f"{base}/memory.max", limit)
        self.write(f"{base}/memory.current", current)
        self.write(f"{base}/memory.stat", "anon 12345\n" + "\n".join(f"{name} {value}" for name, value in stat.items()))

    def v1(self, folder: str, limit: str | int, usage: int = 0, **stat: int) -> None:
        base = f"sys/fs/cgroup/memory/{folder}"
        self.write(f"{base}/memory.limit_in_bytes", limit)
        self.write(f"{base}/memory.usage_in_bytes", usage)
        self.write(f"{base}/memory.stat", "\n".join(f"{name} {value}" for name, value in stat.items()))

    def read(self) -> CgroupMemory:
        return read_cgroup_memory(str(self.root))


@pytest.fixture
def v2(tmp_path: Path) -> Host:
    return Host(tmp_path, "0::/kube/pod/container", V2_MOUNT)


@pytest.fixture
def v1(tmp_path: Path) -> Host:
    return Host(tmp_path, "4:memory:/docker/abc\n1:cpu:/docker/abc\n0::/", f"{V1_CPU_MOUNT}\n{V1_MOUNT}")


def test_version_2_counts_what_the_kernel_cannot_free(v2: Host) -> None:
    v2.v2("kube/pod/container", 2 * GIB, GIB, inactive_file=1000, active_file=200, slab_reclaimable=30, file=999_999)
    assert v2.read() == CgroupMemory(2 * GIB, GIB - 1230)


def test_version_1_counts_the_same(v1: Host) -> None:
    v1.v1("docker/abc", 2 * GIB, GIB, total_inactive_file=1000, total_active_file=200, inactive_file=7)
    assert v1.read() == CgroupMemory(2 * GIB, GIB - 1200)


@pytest.mark.parametrize(("own", "pod", "expected"), [("max", 3, 3), (2, 3, 2), (3, 2, 2), (2, "max", 2)])
def test_the_lowest_limit_of_the_cgroups_around_it_counts_with_the_usage_there(
    v2: Host, own: str | int, pod: str | int, expected: int
) -> None:
    v2.v2("kube/pod/container", own if own == "max" else int(own) * GIB, 10)
    v2.v2("kube/pod", pod if pod == "max" else int(pod) * GIB, 20)
    v2.v2("kube", "max", 30)
    assert v2.read() == CgroupMemory(expected * GIB, 10 if own == expected else 20)


def test_without_a_limit_nothing_is_known(v2: Host) -> None:
    v2.v2("kube/pod/container", "max", 10)
    assert v2.read() == NOTHING


def test_the_number_that_stands_for_no_limit_in_version_1(v1: Host) -> None:
    v1.v1("docker/abc", UNLIMITED_V1, 10)
    assert v1.read() == NOTHING
    v1.v1("docker", GIB, 20)
    assert v1.read() == CgroupMemory(GIB, 20)


def test_a_container_with_its_own_namespace_sees_its_cgroup_as_the_root(tmp_path: Path) -> None:
    host = Host(tmp_path, "0::/", V2_MOUNT)
    host.v2("", GIB, 100)
    assert host.read() == CgroupMemory(GIB, 100)


@pytest.mark.parametrize("path", ["/docker/abc", "/docker/abc/"])
def test_a_container_without_a_namespace_has_its_own_folder_mounted(tmp_path: Path, path: str) -> None:
    mount = V1_MOUNT.replace(" / /sys", " /docker/abc /sys")
    host = Host(tmp_path, f"4:memory:{path}", mount)
    host.v1("", GIB, 100)
    assert host.read() == CgroupMemory(GIB, 100)


@pytest.mark.parametrize("path", ["/../../other", "/elsewhere", "", "relative", "/a/../../../../etc"])
def test_a_cgroup_that_cannot_be_seen_leaves_the_mount_point(tmp_path: Path, path: str) -> None:
    mount = V2_MOUNT.replace(" / /sys", " /docker/abc /sys")
    host = Host(tmp_path, f"0::{path}", mount)
    host.v2("", GIB, 100)
    assert host.read() == CgroupMemory(GIB, 100)


def test_a_hybrid_host_has_the_memory_controller_in_version_1(tmp_path: Path) -> None:
    unified = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"
    host = Host(tmp_path, "0::/x\n4:memory:/abc", f"{unified}\n{V1_MOUNT}")
    host.v1("abc", GIB, 100)
    assert host.read() == CgroupMemory(GIB, 100)


def test_a_mount_point_may_contain_a_space(tmp_path: Path) -> None:
    host = Host(tmp_path, "0::/", V2_MOUNT.replace("/sys/fs/cgroup", "/my\\040cgroups"))
    host.write("my cgroups/memory.max", GIB)
    host.write("my cgroups/memory.current", 7)
    assert host.read() == CgroupMemory(GIB, 7)


def test_a_usage_that_cannot_be_read_is_unknown_and_never_negative(v2: Host) -> None:
    v2.write("sys/fs/cgroup/kube/pod/container/memory.max", GIB)
    assert v2.read() == CgroupMemory(GIB, None)
    v2.v2("kube/pod/container", GIB, 10, inactive_file=50)
    assert v2.read() == CgroupMemory(GIB, 0)


@pytest.mark.parametrize("text", ["", "many", "-5", "1.5", "1e9", "0", "٣", "9" * 30, "max max"])
def test_a_limit_that_is_no_number_is_none(v2: Host, text: str) -> None:
    v2.v2("kube/pod/container", text, 10)
    assert v2.read() == NOTHING


@pytest.mark.parametrize("cgroup", ["", "0", "::", "nonsense", "4:memory", "\x00\xff"])
@pytest.mark.parametrize("mounts", ["", "one two - cgroup2", "- -", " - cgroup2 x y", V2_MOUNT])
def test_files_of_another_form_raise_nothing(tmp_path: Path, cgroup: str, mounts: str) -> None:
    assert Host(tmp_path, cgroup, mounts).read() == NOTHING


def test_a_host_without_these_files_raises_nothing(tmp_path: Path) -> None:
    assert read_cgroup_memory(str(tmp_path)) == NOTHING


def test_the_real_host_can_be_read_and_no_file_stays_open() -> None:
    before = sorted(Path("/proc/self/fd").iterdir()) if Path("/proc/self/fd").exists() else []
    limit, used = read_cgroup_memory()
    assert (limit is None) <= (used is None)
    assert used is None or used > 0
    after = sorted(Path("/proc/self/fd").iterdir()) if Path("/proc/self/fd").exists() else []
    assert len(after) == len(before)
