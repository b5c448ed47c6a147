"""The server's processes around sessions in containers, on each engine.

Covers: graceful restart, kill -9 of the api process and of the keeper (a new keeper comes back to the
control channel by exec), a container that dies and is started again on the same port, key and volume,
kill -9 in the middle of `up`, and that nothing is left on the engine. Not covered: an engine that stops
(test_engine), the story itself (test_story).
"""

import json
import os
import pathlib
import random
import signal
import subprocess
import time

import pytest

import steady

KINDS = ["podman", "docker"]


def keeper_of(server):
    children = pathlib.Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    (pid,) = children.split()
    return int(pid)


def kill(server, which):
    keeper = keeper_of(server)
    os.kill(keeper if which == "keeper" else server.process.pid, signal.SIGKILL)
    server.process.wait(15)
    server.process = None
    steady.wait_for(lambda: not pathlib.Path(f"/proc/{keeper}").exists(), 15, "the keeper to end")


def answers(person, session, word):
    done = person.ssh(session, f"echo {word}", "-oConnectTimeout=5", check=False)
    return done.returncode == 0 and done.stdout == f"{word}\n"


def left_of_server(server):
    """What the engine holds of this server's sessions."""
    return server.engine.left_of("steadystate.session") if server.engine.directory else {}


def started_at(server, session):
    """When the session's container was started; None: it does not run."""
    status, state = server.engine.request("GET", f"/containers/steadystate-{session.id}/json")
    return state["State"]["StartedAt"] if status == 200 and state["State"]["Running"] else None


@pytest.mark.parametrize("kind", KINDS)
def test_sessions_outlive_the_server(kind, server_of, forge):
    server = server_of(kind)
    person = server.person("ann")
    session = person.up(forge.repository("team/project"))
    before = started_at(server, session)
    server.restart()
    assert answers(person, session, "restarted")
    for which in ("keeper", "api"):
        kill(server, which)
        assert answers(person, session, "alone")
        server.start()
        assert answers(person, session, which)

        # The new keeper has a channel: what the agent knows arrives.
        with subprocess.Popen(["ssh", *person.ssh_argv(session), "-p", str(session.port),
                               f"{session.user}@{session.host}", "echo in; read -r line"], env=person.environment,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as shell:
            assert shell.stdout.readline() == "in\n"
            steady.wait_for(lambda: "connected" in person.cli("members", session.id).stdout, 20, "presence")
            shell.stdin.write("\n")
    assert started_at(server, session) == before  # the container itself never ended
    person.cli("down", session.id)
    steady.wait_for(lambda: left_of_server(server) == {}, 30, "nothing to be left")


@pytest.mark.parametrize("kind", KINDS)
def test_dead_container_is_back(kind, server_of, forge):
    server = server_of(kind)
    person = server.person("ann")
    session = person.up(forge.repository("team/project"))
    person.write(session, "unsynced.txt", "precious\n")
    before = started_at(server, session)
    status, _ = server.engine.request("POST", f"/containers/steadystate-{session.id}/kill")
    assert status == 204
    killed = time.monotonic()
    steady.wait_for(lambda: answers(person, session, "back"), 30, "the session to be back")
    assert time.monotonic() - killed < 5
    assert started_at(server, session) not in (None, before)
    assert person.read(session, "unsynced.txt") == "precious\n"
    person.cli("down", session.id)
    assert person.cli("archive", "list").stdout.count(session.id) == 1
    steady.wait_for(lambda: left_of_server(server) == {}, 30, "nothing to be left")


@pytest.mark.parametrize("kind", KINDS)
def test_kill_at_any_moment_of_up(kind, server_of, forge):
    repository = forge.repository("team/project")
    server = server_of(kind)
    person = server.person("ann")
    seed = int.from_bytes(os.urandom(4), "big")
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(4):
        with subprocess.Popen([steady.BUILD / "steadystate", "up", "--no-join", repository],
                              env=person.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as starting:
            time.sleep(chance.uniform(0, 0.8))
            kill(server, chance.choice(["api", "keeper"]))
            server.start()
            starting.wait(90)

    def settled():
        infos = json.loads(person.cli("list", "--json").stdout)["sessions"]
        return all(i["state"] in ("Running", "Failed") and i["stage"] != "cleanup" for i in infos) and infos

    for info in steady.wait_for(settled, 90, "every session to settle"):
        if info["state"] == "Running":
            assert answers(person, steady.Session(info), "works")
            person.cli("down", info["id"])
    steady.wait_for(lambda: left_of_server(server) == {}, 60, "nothing to be left")
