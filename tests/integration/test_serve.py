"""Covers: scripts/serve (`make serve`) against a real engine: the first start, the commands that it
prints typed as they stand, that a second run changes nothing, a changed configuration, stop with
sessions that run on, and the messages when it cannot start.
Not covered: installing packages and an engine on a machine without them."""

import json
import os
import socket
import subprocess
import time

import pytest

import engines
import steady


class Serve:
    def __init__(self, place, engine, addresses, forge):
        self.directory = place / "serve"
        self.port = steady.free_port()
        self.environment = {
            **{k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "CHECK_RUN")},
            "SERVE_DIR": str(self.directory), "STEADYSTATE_PORT": str(self.port), "STEADYSTATE_ENGINE": engine.url,
            "STEADYSTATE_SSH_PORTS": addresses.ports, "STEADYSTATE_SESSION_SUBNETS": addresses.subnets,
            "STEADYSTATE_ALLOWED_HOSTS": forge.host, "STEADYSTATE_EXTERNAL_HOST": "127.0.0.1",
            "STEADYSTATE_CONFIG_DIR": str(place / "config"), "STEADYSTATE_NO_KEYRING": "1", "USER": "root",
        }

    def __call__(self, command="start", check=True, **environment):
        done = subprocess.run([engines.ROOT / "scripts/serve", command], check=False, text=True, timeout=300,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              env={**self.environment, **environment})
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def pid(self):
        return int((self.directory / "steadystated.pid").read_text())

    def type(self, line):
        """A line of what was printed, with its program, in the clone."""
        return subprocess.run(["sh", "-c", line], check=False, text=True, timeout=120, cwd=engines.ROOT,
                              stdin=subprocess.DEVNULL, capture_output=True, env=self.environment)


@pytest.fixture
def serve(place, podman, addresses, forge):
    made = Serve(place, podman, addresses, forge)
    yield made
    listing = made.type("build/steadystate list --json").stdout
    for session in json.loads(listing)["sessions"] if listing else []:
        made.type(f"build/steadystate down {session['id']}")
        steady.wait_for(lambda: podman.left_of(f"steadystate.session={session['id']}") == {}, 30, "the end")
    made("stop")


def printed_commands(output):
    lines = output.splitlines()
    return [line.strip() for line in lines[lines.index("ready") + 1:] if line.strip()]


def test_from_nothing_to_a_session_by_the_printed_commands(serve, forge, podman):
    repository = forge.repository("team/project")
    login, up, join = printed_commands(serve().stdout)

    done = serve.type(login)
    assert done.returncode == 0, done.stderr
    up = up.replace("<repository url>", repository).replace("up ", "up --json ")
    done = serve.type(up if "--no-join" in up else up.replace("--json", "--json --no-join"))
    assert done.returncode == 0, done.stderr
    info = json.loads(done.stdout.splitlines()[-1])
    link, label = info["magic_link"], f"steadystate.session={info['id']}"
    join = join.split('"<link>"')[0] + f"'{link}' -- 'cat \"$USER_WORKSPACE\"/README.md'"
    done = serve.type(join)
    assert (done.returncode, done.stdout) == (0, "# project\n"), done.stderr

    # The server stops, its session runs on; the next start finds it.
    serve("stop")
    assert len(podman.labelled("containers", label)) == 1
    assert serve.type(join).stdout == "# project\n"
    serve()
    done = serve.type(f"build/steadystate down '{link}'")
    assert done.returncode == 0, done.stderr
    steady.wait_for(lambda: podman.left_of(label) == {}, 30, "the session's things to be gone")


def test_a_second_run_changes_nothing(serve):
    first = serve().stdout
    pid, users = serve.pid(), (serve.directory / "users").read_text()
    start = time.monotonic()
    again = serve().stdout
    assert time.monotonic() - start < 40  # nothing was compiled, bootstrapped or installed
    assert printed_commands(again) == printed_commands(first)
    assert serve.pid() == pid
    assert (serve.directory / "users").read_text() == users


def test_a_changed_setting_starts_the_server_anew(serve):
    serve()
    pid = serve.pid()
    serve(STEADYSTATE_LOG="debug")
    assert serve.pid() != pid
    assert steady.run("cat", f"/proc/{serve.pid()}/comm").stdout == "steadystated\n"


def test_a_line_for_a_colleague_stays(serve):
    serve()
    users = serve.directory / "users"
    line = "ann ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3vTmCXTvnNcNPGcQqkE3a3gzcqnXv7mG4FWVKlKlCq\n"
    users.write_text(users.read_text() + line)
    serve()
    assert line in users.read_text()


def test_a_taken_port_is_said(serve):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", serve.port))
        other.listen()
        done = serve(check=False)
    assert done.returncode == 1
    assert f"something else listens on port {serve.port}" in done.stderr


def test_a_bad_setting_is_said(serve):
    done = serve(check=False, STEADYSTATE_SESSION_PIDS="many")
    assert done.returncode == 1
    assert "STEADYSTATE_SESSION_PIDS" in done.stderr
