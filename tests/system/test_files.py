from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from truetune.errors import StorageError
from truetune.system.files import write_atomically


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_new_and_existing_files(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert write_atomically(path, b"one") == path
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_the_mode_is_kept(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    path.chmod(mode)
    write_atomically(path, b"two")
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_gets_the_mode_of_any_other_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    write_atomically(tmp_path / "a", b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_links_stay_and_their_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "config.py"
    target.write_bytes(b"one")
    link = tmp_path / "config.py"
    link.symlink_to(Path("real") / "config.py")
    assert write_atomically(link, b"two") == target
    assert link.is_symlink()
    assert target.read_bytes() == b"two"
    assert names(tmp_path) == ["config.py", "real"]


def test_folders_are_made_on_request_only(tmp_path: Path) -> None:
    path = tmp_path / "models" / "deep" / "a.json"
    with pytest.raises(StorageError, match="does not exist: create it"):
        write_atomically(path, b"one")
    write_atomically(path, b"one", make_folder=True)
    assert path.read_bytes() == b"one"


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond 1000 bytes: writes fail half-way, as on a full disk.

    No fixture: pytest writes its own output, perhaps to a file, before a fixture is torn down.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_old_content_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    with pytest.raises(StorageError, match=r"Free space .* Nothing was changed"), full_disk():
        write_atomically(path, b"x" * 5000)
    assert path.read_bytes() == b"one"
    assert names(tmp_path) == ["a"]


@pytest.fixture
def protected() -> Iterator[Path]:
    """A folder with one file, neither of which this process may write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.py").write_bytes(b"A = 1\n")
        (folder / "config.py").chmod(0o444)
        folder.chmod(0o555)
        was_root = os.geteuid() == 0
        if was_root:  # the superuser may write anywhere
            os.seteuid(65534)
        yield folder
        if was_root:
            os.seteuid(0)
        folder.chmod(0o755)


def test_a_protected_folder_or_file_is_said(protected: Path) -> None:
    for name in ("config.py", "new"):
        with pytest.raises(StorageError, match=r"cannot be written: .*Make .* writable"):
            write_atomically(protected / name, b"two")
    assert (protected / "config.py").read_bytes() == b"A = 1\n"


def test_a_write_protected_file_in_an_open_folder_is_not_replaced(protected: Path) -> None:
    euid = os.geteuid()
    if os.getuid() == 0:
        os.seteuid(0)
    protected.chmod(0o777)
    if os.getuid() == 0:
        os.seteuid(euid)
    with pytest.raises(StorageError, match="write-protected"):
        write_atomically(protected / "config.py", b"two")


def test_what_is_no_regular_file_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(StorageError):
            write_atomically(path, b"x")
    assert not Path("/dev/null").is_file()


def test_killed_at_any_instant_the_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "a"
    contents = [bytes([65 + i]) * 200_000 for i in range(2)]
    write_atomically(path, contents[0])
    code = (
        "import sys; from truetune.system.files import write_atomically\n"
        "print('go', flush=True)\n"
        "while True:\n"
        "    for letter in b'AB': write_atomically(sys.argv[1], bytes([letter]) * 200_000)\n"
    )
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.kill()
        assert path.read_bytes() in contents
