"""What a control group says about memory, read from files as both versions of the kernel interface write them."""

from __future__ import annotations

import psutil
import pytest

from truetune.system import machine
from truetune.system.sizes import GIB, MIB

V2 = {
    "job/memory.stat": "anon 5\ninactive_file 104857600\n",
    "job/memory.max": f"{GIB}\n",
    "job/memory.current": f"{600 * MIB}\n",
    "job/memory.events": "low 0\nhigh 0\nmax 9\noom 2\noom_kill 3\n",
    "memory.stat": "anon 5\n",
    "memory.max": "max\n",
}
V1 = {
    "memory/job/memory.stat": "cache 1\ntotal_inactive_file 104857600\n",
    "memory/job/memory.limit_in_bytes": f"{GIB}\n",
    "memory/job/memory.usage_in_bytes": f"{600 * MIB}\n",
    "memory/job/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    "memory/memory.stat": "cache 1\n",
    "memory/memory.limit_in_bytes": "9223372036854771712\n",
}


@pytest.fixture(params=[("0::/job\n", V2), ("9:name=systemd:/\n4:memory:/job\n0::/\n", V1)], ids=["v2", "v1"])
def group(request, tmp_path, monkeypatch):
    membership, files = request.param
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "self").write_text(membership)
    monkeypatch.setattr(machine, "MEMBERSHIP", tmp_path / "self")
    monkeypatch.setattr(machine, "MOUNT", tmp_path)
    return tmp_path


def test_the_group_limits_what_there_is(group):
    found = machine.memory()
    assert found.total == GIB
    # What the group uses, without the files that the kernel would give back.
    assert found.available == GIB - 600 * MIB + 100 * MIB


def test_the_kernels_kills_are_counted(group):
    assert machine.kernel_kills() == 3


def test_a_container_that_sees_the_hosts_path_reads_its_mount(group):
    folder = group / "memory" if (group / "memory").exists() else group
    for path in (folder / "job").iterdir():
        path.rename(folder / path.name)
    assert machine.memory().total == GIB
    assert machine.kernel_kills() == 3


def test_without_groups_the_machine_is_all_there_is(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "MEMBERSHIP", tmp_path / "absent")
    assert machine.memory().total == psutil.virtual_memory().total
    assert machine.kernel_kills() == 0


def test_the_default_leaves_a_margin_and_is_shared(monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(64 * GIB, 40 * GIB))
    assert machine.default_worker_memory(4) == 9 * GIB
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(8 * GIB, 4 * GIB))
    assert machine.default_worker_memory(1) == 4 * GIB - 512 * MIB
    assert machine.default_worker_memory(8) == machine.LEAST_WORKER


@pytest.mark.parametrize(
    ("free", "cores", "gpus", "workers"), [(64, 4, 0, 4), (4, 16, 0, 2), (1, 16, 0, 1), (64, 16, 2, 2), (64, 1, 4, 1)]
)
def test_as_many_workers_as_cores_memory_and_gpus_allow(monkeypatch, free, cores, gpus, workers):
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(free * GIB, free * GIB))
    monkeypatch.setattr(machine, "cores", lambda: cores)
    assert machine.automatic_workers(gpus) == workers
