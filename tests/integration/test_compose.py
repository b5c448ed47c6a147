"""Covers: Containerfile and compose.yaml with Debian's podman-compose (Podman) and docker-compose
(dockerd): the story of two people against a server in a container without capabilities, and
down and up with the state and sessions kept.
Not covered: building the server image from a registry's Debian."""

import contextlib
import json
import os
import pathlib
import subprocess
import urllib.request

import pytest

import engines
import steady

TOOLS = {"podman": "podman-compose", "docker": "docker-compose"}


class Composed:
    """The server of compose.yaml under one of the two tools. Has `url`, as steady.Server."""

    def __init__(self, place, engine, builder, addresses, forge):
        self.engine = engine
        self.directory = place
        self.project = f"sst{os.getpid()}"
        self.port = steady.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = place / "config"
        self.config.mkdir()
        (self.config / "users").touch()
        sockets = pathlib.Path(engine.socket)
        self.environment = {
            **{k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "CHECK_RUN")},
            "ENGINE_SOCKET_DIR": str(sockets.parent), "ENGINE_SOCKET": sockets.name,
            "CONFIG_DIR": str(self.config), "HTTP_PORT": str(self.port), "EXTERNAL_HOST": "127.0.0.1",
            "SSH_PORTS": addresses.ports, "SESSION_SUBNETS": addresses.subnets, "ALLOWED_HOSTS": forge.host,
        }
        if engine.kind == "podman":
            # podman-compose runs the command line, which has to work on the same store.
            self.environment["CONTAINERS_CONF"] = str(sockets.parent / "containers.conf")
            self.environment["CONTAINERS_STORAGE_CONF"] = str(sockets.parent / "storage.conf")
        else:
            self.environment["DOCKER_HOST"] = engine.url
        engines.session_image(engine)
        engines.server_image(engine, builder)

    def compose(self, *argv, check=True):
        done = subprocess.run([TOOLS[self.engine.kind], "-p", self.project, "-f", engines.ROOT / "compose.yaml", *argv],
                              env=self.environment, check=False, text=True, timeout=180, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert not check or done.returncode == 0, done.stdout
        return done.stdout

    def container(self):
        """What the engine says about the server's container."""
        name = next(n for n in self.engine.labelled("containers", f"com.docker.compose.project={self.project}"))
        status, found = self.engine.request("GET", f"/containers/{name}/json")
        assert status == 200
        return found

    def is_healthy(self):
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(self.url + "/health", timeout=5) as answer:
                return json.load(answer)
        return None

    def wait_until_healthy(self):
        return steady.wait_for(self.is_healthy, 60, "the composed server to be healthy")

    def person(self, login):
        person = steady.Person(self, self.directory / "people" / login, login)
        with open(self.config / "users", "a", encoding="ascii") as users:
            users.write(f"{login} {person.public_key}\n")
        return person

    def close(self):
        self.compose("down", "-v", check=False)
        self.engine.request("DELETE", f"/volumes/{self.project}_state?force=1")
        # podman-compose 1.0.3 makes a network and never takes it away.
        self.engine.request("DELETE", f"/networks/{self.project}_default")


@pytest.fixture(params=sorted(TOOLS))
def composed(request, place, podman, addresses, forge):
    made = Composed(place, request.getfixturevalue(request.param), podman, addresses, forge)
    yield made
    made.close()


def test_the_story_under_compose(composed, forge):
    repository = forge.repository("team/project")
    alice, bob = composed.person("alice"), composed.person("bob")
    composed.compose("up", "-d")
    health = composed.wait_until_healthy()
    assert health["provider"] == "container"

    # The server has what it needs and nothing more.
    pid = composed.container()["State"]["Pid"]
    status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
                  if ":\t" in line)
    assert {status[name] for name in ("CapEff", "CapPrm", "CapBnd")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    assert composed.container()["HostConfig"]["ReadonlyRootfs"]

    alice.log_in()
    bob.log_in()
    session = alice.up(repository, "--allow", "bob")
    try:
        alice.write(session, "a.txt", "from alice\n")
        bob.write(session, "b.txt", "from bob\n")
        alice.sync(session)
        bob.sync(session)
        bob.ssh(session, 'cd "$USER_WORKSPACE" && steadystate publish')
        assert forge.show("team/project", session.branch, "a.txt") == "from alice\n"
        assert forge.show("team/project", session.branch, "b.txt") == "from bob\n"

        # The server's container is made anew; its state and the sessions are still there.
        composed.compose("down")
        assert alice.read(session, "a.txt") == "from alice\n"
        composed.compose("up", "-d")
        composed.wait_until_healthy()
        listed = json.loads(alice.cli("list", "--json").stdout)["sessions"]
        assert [(s["id"], s["state"]) for s in listed] == [(session.id, "Running")]
    finally:
        alice.cli("down", session.link, check=False)
    label = f"steadystate.session={session.id}"
    steady.wait_for(lambda: composed.engine.left_of(label) == {}, 30, "the session's things to be gone")
