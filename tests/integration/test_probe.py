"""What the api process is refused once it serves: the probe of a test build, run as root, as root without the
capability to change its uid, and as an ordinary user.

Covers: sockets to the engine and of every other family, exec, ptrace and memory of the keeper, signals, mounts,
namespaces. Not covered: the same inside compose (test_compose).
"""

import json
import os
import pathlib
import pwd
import shutil
import subprocess

import pytest

import steady

EXPECTED = {"engine_socket", "unix_socket", "netlink_socket", "packet_socket", "vsock_socket", "exec",
            "exec_by_descriptor", "ptrace_keeper", "process_vm_readv_keeper", "keeper_mem", "keeper_environ",
            "keeper_fd", "keeper_pidfd", "kill_keeper", "mount", "user_namespace"}


@pytest.fixture(scope="module")
def program():
    """steadystated of a test build: only that one has --probe."""
    steady.run("make", "-s", "-C", steady.ROOT, "VARIANT=debug", "build/debug/steadystated", timeout=900)
    return steady.ROOT / "build/debug/steadystated"


def probe(program, place, *wrapper, user=None):
    state = place / "state"
    users = place / "users"
    users.touch()
    copy = place / "steadystated"
    shutil.copy(program, copy)
    if user:
        state.mkdir()
        os.chown(state, pwd.getpwnam(user).pw_uid, -1)
    done = subprocess.run([*wrapper, str(copy), "--probe"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False, cwd="/",
                          env={"PATH": os.environ["PATH"], "STEADYSTATE_STATE_DIR": str(state),
                               "STEADYSTATE_PROVIDER": "local", "STEADYSTATE_USERS_FILE": str(users),
                               "STEADYSTATE_PORT": str(steady.free_port())})
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    uid = answer.pop("uid")
    assert set(answer) == EXPECTED
    assert {name: text for name, text in answer.items() if not text.startswith("refused: ")} == {}
    return uid


def test_as_root(program, place):
    """Root gives its uid up when the users file stays readable."""
    assert probe(program, place) == pwd.getpwnam("nobody").pw_uid


def test_as_root_that_cannot_change_its_uid(program, place):
    assert probe(program, place, "setpriv", "--bounding-set=-setuid,-setgid", "--inh-caps=-setuid,-setgid") == 0


def test_as_root_whose_users_file_is_out_of_reach(program, place):
    place.chmod(0o700)
    assert probe(program, place) == 0


def test_as_a_user(program, place, local_account):
    uid = probe(program, place, "setpriv", f"--reuid={local_account}", "--clear-groups", user=local_account)
    assert uid == pwd.getpwnam(local_account).pw_uid


def test_release_build_has_no_probe(place):
    done = steady.run(steady.BUILD / "steadystated", "--probe", check=False)
    assert done.returncode == 2
    assert "usage: steadystated" in done.stderr
    assert pathlib.Path(steady.BUILD / "steadystated").exists()
