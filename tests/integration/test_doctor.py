"""Covers: `steadystate doctor` on a healthy machine, and one seeded fault at a time, each of which has
to be named by its check, with what mends it, and nothing else with it. The engine is a small one in
this file that says about itself what the fault needs; the server and the CLI are the real ones.
Not covered: what a warning means for sessions (test_agent_*)."""

import contextlib
import email.utils
import http.server
import json
import os
import socket
import socketserver
import subprocess
import threading
import time

import pytest

import steady

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts, and starts servers as root")

VERSION = (steady.ROOT / "VERSION").read_text().strip()


class Listening(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = daemon_threads = True


class Answer(http.server.BaseHTTPRequestHandler):
    """What the subclass's `answer(path)` gives: (status, object)."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status, body = self.answer(self.path)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Engine:
    """A dockerd on a Unix socket that has an image and no session."""

    kind = "docker"

    def __init__(self, place, info=None, image=None):
        self.url = f"unix://{place}/engine.sock"
        self.info = {"ServerVersion": "20.10.24", "DefaultRuntime": "runc", "CgroupVersion": "2", "MemoryLimit": True,
                     "CpuCfsQuota": True, "PidsLimit": True, "SecurityOptions": ["name=userns"], **(info or {})}
        self.labels = {"steadystate.ssh-user": "steadystate", "steadystate.version": VERSION}
        self.labels.update(image or {})
        self.has_image = image is not False

        class Handler(Answer):
            def answer(handler, path):
                path = path.split("?")[0].removeprefix("/v1.41")
                if path == "/_ping":
                    return 200, b"OK"
                if path == "/info":
                    return 200, self.info
                if path.startswith("/images/") and self.has_image:
                    return 200, {"Id": "sha256:" + "0" * 64, "Config": {"Labels": self.labels}}
                if path.endswith("/json") and not path.startswith("/images/"):
                    return 200, []
                return 404, {"message": "no such thing"}

            def address_string(handler):
                return "unix"

        class Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

            def get_request(server):
                connected, _ = super().get_request()
                return connected, ("unix", 0)

        self.server = Unix(f"{place}/engine.sock", Handler)


class Laptop:
    """A person's machine on which nothing is wrong."""

    def __init__(self, place, server):
        self.server = server
        self.home = place / "laptop"
        self.config = self.home / "config"
        (self.home / ".ssh").mkdir(parents=True)
        self.config.mkdir(mode=0o700)
        self.key = self.home / ".ssh/id_ed25519"
        steady.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key)
        self.env = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "STEADYSTATE_CONFIG_DIR": str(self.config),
                    "STEADYSTATE_BACKEND": server, "STEADYSTATE_NO_KEYRING": "1", "LANG": "C.UTF-8"}

    def doctor(self, **env):
        done = steady.run(steady.BUILD / "steadystate", "doctor", "--json", check=False, env={**self.env, **env})
        answer = json.loads(done.stdout)
        wrong = [f for f in answer["findings"] if f["result"] == "wrong"]
        assert answer["wrong"] == len(wrong) and done.returncode == (1 if wrong else 0), done
        assert all(f["mend"] for f in answer["findings"] if f["result"] != "ok"), answer
        return answer["findings"]

    def without(self, program):
        """A PATH on which everything is but this program."""
        bin_ = self.home / f"no-{program}"
        bin_.mkdir()
        for name in ("ssh", "ssh-add", "git"):
            if name != program:
                (bin_ / name).symlink_to(f"/usr/bin/{name}")
        return {"PATH": str(bin_)}


def named(findings):
    """Checks that found something, without those that a test machine always has."""
    usual = {"keyring", "login", "network"}
    return {f["check"] for f in findings if f["result"] != "ok"} - usual


def mend_of(findings, check):
    return next(f["mend"] for f in findings if f["check"] == check)


@contextlib.contextmanager
def world(place, addresses, engine=None, **environment):
    """A server over an engine, and a laptop."""
    engine = engine or Engine(place)
    with serving(engine.server):
        server = steady.Server(place / "server", "container", None, addresses, None,
                               **{"STEADYSTATE_ENGINE": engine.url, **environment})
        try:
            server.start(wait=False)
            steady.wait_for(lambda: checks(server), 30, "the server to know its engine")
            yield server, Laptop(place, server.url)
        finally:
            server.close()


def checks(server):
    with contextlib.suppress(OSError):
        status, answer, _ = server.request("GET", "/health/checks")
        return status == 200 and any(c["check"] == "disk" for c in answer["checks"])
    return False


@pytest.fixture
def healthy(place, addresses):
    with world(place, addresses) as made:
        yield made


def test_nothing_is_wrong(healthy):
    server, laptop = healthy
    findings = laptop.doctor()
    assert named(findings) == set(), findings
    assert {f["check"] for f in findings} >= {"config", "ssh", "git", "keys", "keyring", "server", "engine", "limits",
                                              "userns", "seccomp", "network", "image", "ports", "disk", "external",
                                              "clock", "login"}
    assert "docker 20.10.24 with runc, rootful" in str(findings) and f"version {VERSION}" in str(findings)
    # One line each for people, and the same status.
    done = steady.run(steady.BUILD / "steadystate", "doctor", env=laptop.env)
    assert len(done.stdout.splitlines()) == len(findings)


def test_a_real_engine(server_of, place):
    server = server_of("podman")
    steady.wait_for(lambda: checks(server), 60, "the server to know its engine")
    findings = {f["check"]: f for f in Laptop(place, server.url).doctor()}
    assert "podman" in findings["engine"]["detail"] and "rootful" in findings["engine"]["detail"]
    for check in ("engine", "limits", "image", "ports", "external"):
        assert findings[check]["result"] == "ok", findings[check]


# --- faults of the laptop ----------------------------------------------------------------------------

def test_faults_of_this_machine(healthy):
    server, laptop = healthy
    # 1, 2: programs
    assert named(laptop.doctor(**laptop.without("ssh"))) == {"ssh"}
    assert named(laptop.doctor(**laptop.without("git"))) == {"git"}
    # 3: a private key that others can read
    laptop.key.chmod(0o644)
    findings = laptop.doctor()
    assert named(findings) == {"keys"} and mend_of(findings, "keys") == f"Run 'chmod 600 {laptop.key}'."
    # 4: no key
    laptop.key.rename(laptop.key.with_suffix(".away"))
    assert named(laptop.doctor()) == {"keys"}
    laptop.key.with_suffix(".away").rename(laptop.key)
    laptop.key.chmod(0o600)
    # 5: a configuration that others can write
    laptop.config.chmod(0o777)
    findings = laptop.doctor()
    assert named(findings) == {"config"} and mend_of(findings, "config") == f"Run 'chmod 700 {laptop.config}'."
    laptop.config.chmod(0o700)
    # 6: no keyring
    assert "keyring" in {f["check"] for f in laptop.doctor() if f["result"] == "warning"}
    # 7: no login
    findings = laptop.doctor()
    assert "login" in {f["check"] for f in findings if f["result"] == "warning"}
    assert mend_of(findings, "login") == f"Run 'steadystate login --server {server.url}'."
    assert named(findings) == set()


def test_an_ssh_configuration_that_ssh_refuses(healthy):
    _, laptop = healthy
    # ssh asks the account's home, not HOME: a wrapper in front of it gives the file.
    config = laptop.home / ".ssh/config"
    config.write_text("Frobnicate yes\n")
    front = laptop.home / "front"
    front.mkdir()
    (front / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {config} "$@"\n')
    (front / "ssh").chmod(0o755)
    findings = laptop.doctor(PATH=f"{front}:/usr/bin:/bin")
    assert named(findings) == {"ssh-config"} and "frobnicate" in str(findings).lower()


# --- faults between here and there -------------------------------------------------------------------

def test_no_server_or_another_one(place):
    laptop = Laptop(place, f"http://127.0.0.1:{steady.free_port()}")
    assert named(laptop.doctor()) == {"server"}

    class Other(Answer):
        def answer(self, _path):
            return 200, {"hello": "world"}
    with serving(Listening(("127.0.0.1", 0), Other)) as other:
        findings = laptop.doctor(STEADYSTATE_BACKEND=f"http://127.0.0.1:{other.server_address[1]}")
    assert named(findings) == {"server"} and "is not a SteadyState server" in str(findings)


def test_a_clock_that_is_wrong(healthy):
    server, laptop = healthy

    class Late(Answer):
        def answer(self, path):
            status, body, _ = server.request("GET", path)
            return status, body

        def date_time_string(self, timestamp=None):
            return email.utils.formatdate(time.time() - 600, usegmt=True)
    with serving(Listening(("127.0.0.1", 0), Late)) as late:
        findings = laptop.doctor(STEADYSTATE_BACKEND=f"http://127.0.0.1:{late.server_address[1]}")
    assert named(findings) == {"clock"} and "timedatectl" in mend_of(findings, "clock")


# --- faults of the server ----------------------------------------------------------------------------

ENGINES = {
    "rootless-cgroup1": ({"info": {"SecurityOptions": ["name=rootless"], "CgroupVersion": "1"}}, {"limits"}, "rootful"),
    "no-controllers": ({"info": {"PidsLimit": False}}, {"limits"}, "cgroup controllers"),
    "no-userns": ({"info": {"SecurityOptions": []}}, {"userns"}, "userns-remap"),
    "no-image": ({"image": False}, {"image"}, "make image"),
    "other-user": ({"image": {"steadystate.ssh-user": "dev"}}, {"image"}, "make image SSH_USER=steadystate"),
    "other-version": ({"image": {"steadystate.version": "0.0.1"}}, {"image"}, "make image"),
}


@pytest.mark.parametrize("fault", ENGINES)
def test_faults_of_the_engine(place, addresses, fault):
    about, expected, mend = ENGINES[fault]
    with world(place, addresses, Engine(place, **about)) as (_, laptop):
        findings = laptop.doctor()
        assert named(findings) == expected, findings
        assert mend in mend_of(findings, *expected)


def test_a_server_without_tmux(server_of, place):
    server = server_of("local", start=False)
    server.argv = ["unshare", "-m", "sh", "-c", 'mount --bind /dev/null /usr/bin/tmux && exec "$0"', *server.argv]
    server.start()
    steady.wait_for(lambda: checks(server), 60, "the server to know what it has")
    findings = Laptop(place, server.url).doctor()
    assert "tmux" in named(findings) and "apt install tmux" in mend_of(findings, "tmux")
    server.stop()
    server.argv = server.argv[-1:]
    server.start()
    steady.wait_for(lambda: checks(server), 60, "the server to know what it has")
    (place / "again").mkdir()
    assert "tmux" not in named(Laptop(place / "again", server.url).doctor())


def test_an_engine_that_is_gone(place, addresses):
    with world(place, addresses) as (server, laptop):
        os.unlink(place / "engine.sock")
        findings = steady.wait_for(lambda: "engine" in named(laptop.doctor()) and laptop.doctor(), 40, "the finding")
        assert named(findings) == {"engine"} and "systemctl start" in mend_of(findings, "engine")


def test_ports_that_others_hold(place, addresses):
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        for port in range(first.getsockname()[1] + 1, 65535):
            with contextlib.suppress(OSError):
                second.bind(("127.0.0.1", port))
                break
        assert second.getsockname()[1] == first.getsockname()[1] + 1
        first.listen()
        second.listen()
        low = first.getsockname()[1]
        with world(place, addresses, STEADYSTATE_SSH_PORTS=f"{low}-{low + 1}") as (_, laptop):
            findings = laptop.doctor()
            assert named(findings) == {"ports"} and "STEADYSTATE_SSH_PORTS" in mend_of(findings, "ports")


def test_a_host_that_nobody_knows(place, addresses):
    with world(place, addresses, STEADYSTATE_EXTERNAL_HOST="sessions.steadystate.invalid") as (_, laptop):
        findings = laptop.doctor()
        assert named(findings) == {"external"} and "STEADYSTATE_EXTERNAL_HOST" in mend_of(findings, "external")


def test_a_disk_that_is_full(place, addresses):
    disk = place / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m,mode=755", "tmpfs", disk], check=True)
    try:
        with world(place, addresses, STEADYSTATE_STATE_DIR=str(disk / "state")) as (_, laptop):
            findings = laptop.doctor()
            assert named(findings) == {"disk"} and "archive" in mend_of(findings, "disk")
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
