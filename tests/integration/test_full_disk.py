"""A session whose disk is full: a small ext4 of its own under the session's directory.

Covers: clone, first login, sync and publish say that there is no space; nothing that was saved or synced is
lost, and everything works again once there is room, without anybody repairing anything.
Not covered: a full disk of the server (its store is SQLite with synchronous=FULL) or of the engine (test_container).
"""

import contextlib
import os

import pytest

import agentlib
import steady
import synclib

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a disk")

SIZE = "48M"


@pytest.fixture
def disk(place):
    image, directory = place / "disk.img", place / "disk"
    steady.run("truncate", "-s", SIZE, image)
    steady.run("mkfs.ext4", "-q", "-m", "0", "-N", "4000", image)  # no blocks kept for root
    directory.mkdir()
    steady.run("mount", "-o", "loop", image, directory)
    directory.chmod(0o755)
    yield directory
    steady.run("umount", "-l", directory)


def fill(disk):
    """Not one more block for anybody."""
    with open(disk / "ballast", "wb", buffering=0) as f:
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError):
                while True:
                    f.write(b"x" * size)
        os.fsync(f.fileno())


def make_room(disk):
    (disk / "ballast").unlink()


def says_no_space(done):
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert "no space" in done.stderr.lower(), done.stderr
    assert done.stderr.startswith("steadystate: "), done.stderr


def test_sync_and_publish(disk, place, local_account):
    origin = synclib.make_origin(place, local_account, {"README.md": "one\ntwo\nthree\n"})
    s = synclib.SyncSession(disk, local_account, origin)
    try:
        ann, ben = s.people
        ben.write("README.md", "one\ntwo\nthree\nben\n")
        ben.sync()
        before = s.head()
        # Not to be compressed into what is left in some block.
        ann.write("big.bin", os.urandom(600_000))
        ann.write("README.md", "ann\none\ntwo\nthree\n")
        mine = ann.files()
        fill(disk)
        for command in ("sync", "publish"):
            says_no_space(ann.cli(command, check=False))
            assert s.head() == before and ann.files() == mine
        make_room(disk)
        ann.sync()
        files = s.settle()
        assert files[b"README.md"][1] == b"ann\none\ntwo\nthree\nben\n"
        assert files[b"big.bin"] == mine[b"big.bin"]
        ann.cli("publish")
        s.fsck()
        ann.git("fsck", "--strict", "--no-dangling")
        assert not list(s.canonical.glob("quarantine-*"))
    finally:
        s.close()


def test_refresh(disk, place, local_account):
    """What others did does not fit: the worktree stays as it is, or is finished later."""
    origin = synclib.make_origin(place, local_account, {"README.md": "one\n"})
    s = synclib.SyncSession(disk, local_account, origin)
    try:
        ann, ben = s.people
        for i in range(8):
            ben.write(f"from-ben/{i}", os.urandom(200_000))
        ben.sync()
        ann.write("own", "precious\n")
        fill(disk)
        says_no_space(ann.cli("sync", check=False))
        assert ann.read("own") == "precious\n"
        make_room(disk)
        files = s.settle()
        assert files[b"own"][1] == b"precious\n" and len([f for f in files if f.startswith(b"from-ben/")]) == 8
        s.fsck()
    finally:
        s.close()


def test_clone_and_first_login(disk, place, local_account):
    origin = synclib.make_origin(place, local_account, {f"f{i}": os.urandom(100_000) for i in range(20)})
    keys = [agentlib.Key(place, login) for login in ("ann", "ben")]
    agent = agentlib.LocalAgent(disk, keys, origin, local_account)
    try:
        fill(disk)
        with open(disk / "ballast", "r+b") as f:
            f.truncate(os.stat(f.fileno()).st_size - 1_000_000)  # enough to begin with
        agent.start()
        agent.hello()
        event = agent.ctl.event("failed")
        assert event["reason"] == "no_space", event
        agent.kill()
        make_room(disk)
        agent.ready()
        agent.ssh.run(keys[0], "git status --porcelain")

        fill(disk)
        done = agent.ssh.run(keys[1], "true", check=False)
        assert done.returncode != 0 and "no space" in done.stderr.lower(), done.stderr
        make_room(disk)
        assert agent.ssh.out(keys[1], "git status --porcelain; ls | wc -l") == "20\n"
    finally:
        agent.close()
