"""The server's processes around sessions in containers, on each engine.

Covers: sessions started at once, graceful restart, kill -9 of the api process and of the keeper (a new keeper comes back to the
control channel by exec), a container that dies and is started again on the same port, key and volume,
kill -9 in the middle of `up`, a subnet and a port that somebody else holds, leftovers of a session that nobody
knows, and that nothing is left on the engine. Not covered: an engine that stops
(test_engine), the story itself (test_story).
"""

import concurrent.futures
import contextlib
import ipaddress
import json
import os
import pathlib
import random
import signal
import socket
import sqlite3
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
    # One second: a connection that was begun towards the container that ended is never answered.
    done = person.ssh(session, f"echo {word}", "-oConnectTimeout=1", check=False)
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
def test_started_at_once(kind, server_of, forge):
    """Podman 4.3 locks itself up for good when it works out the size of a user namespace for one
    container while it mounts another; the keeper names the size."""
    server = server_of(kind)
    person = server.person("ann")
    repository = forge.repository("team/project")
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        sessions = list(pool.map(lambda _: person.up(repository), range(6)))
        assert all(pool.map(lambda session: answers(person, session, "here"), sessions))
        list(pool.map(lambda session: person.cli("down", session.id), sessions))
    steady.wait_for(lambda: left_of_server(server) == {}, 60, "nothing to be left")


@pytest.mark.parametrize("kind", KINDS)
def test_dead_container_is_back(kind, server_of, forge):
    server = server_of(kind)
    person = server.person("ann")
    session = person.up(forge.repository("team/project"))
    person.write(session, "unsynced.txt", "precious\n")
    before = started_at(server, session)
    status, _ = server.engine.request("POST", f"/containers/steadystate-{session.id}/kill")
    assert status == 204
    steady.wait_for(lambda: answers(person, session, "back"), 60, "the session to be back")
    assert started_at(server, session) not in (None, before)
    assert person.read(session, "unsynced.txt") == "precious\n"
    person.cli("down", session.id)
    assert person.cli("archive", "list").stdout.count(session.id) == 1
    steady.wait_for(lambda: left_of_server(server) == {}, 30, "nothing to be left")


@pytest.mark.parametrize("kind", KINDS)
def test_taken_subnet_and_port_are_passed_over(kind, server_of, forge, addresses, request):
    """Others took the first two subnets and the first port of the ranges on the engine itself."""
    engine = request.getfixturevalue(kind)
    subnets = list(ipaddress.ip_network(addresses.subnets).subnets(new_prefix=28))[:2]
    names = [f"steadystate-test-{os.getpid()}-{i}" for i in range(2)]
    try:
        for name, subnet in zip(names, subnets):
            status, answer = engine.request("POST", "/networks/create", {
                "Name": name, "Driver": "bridge", "IPAM": {"Config": [{"Subnet": str(subnet)}]}})
            assert status == 201, answer
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", int(addresses.ports.split("-")[0])))
            taken.listen()
            server = server_of(kind)
            person = server.person("ann")
            session = person.up(forge.repository("team/project"))
            assert session.port == int(addresses.ports.split("-")[0]) + 1
        assert answers(person, session, "here")
        _, made = engine.request("GET", f"/networks/steadystate-{session.id}")
        in_use = ipaddress.ip_network(made["IPAM"]["Config"][0]["Subnet"])
        assert not any(in_use.overlaps(subnet) for subnet in subnets)
        person.cli("down", session.id)
    finally:
        for name in names:
            engine.request("DELETE", f"/networks/{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_leftovers_of_nobody_are_removed(kind, server_of, request, addresses):
    """A network and a volume with this server's id, of a session that is in no registry."""
    engine = request.getfixturevalue(kind)
    server = server_of(kind)
    with contextlib.closing(sqlite3.connect(f"file:{server.state}/steadystate.db?mode=ro", uri=True)) as store:
        ((server_id,),) = store.execute("SELECT value FROM meta WHERE key = 'server_id'").fetchall()
    subnet = list(ipaddress.ip_network(addresses.subnets).subnets(new_prefix=28))[-1]
    left = {}
    for what in ("networks", "volumes"):
        session_id = "a" * 18 + ("nn" if what == "networks" else "vv")
        body = {"Name": f"steadystate-{session_id}",
                "Labels": {"steadystate.session": session_id, "steadystate.server": server_id}}
        if what == "networks":
            body |= {"Driver": "bridge", "IPAM": {"Config": [{"Subnet": str(subnet)}]}}
        status, answer = engine.request("POST", f"/{what}/create", body)
        assert status == 201, answer
        left[what] = body["Name"]
    server.restart()  # it looks at the engine at once, and every 15 s
    steady.wait_for(lambda: not any(left[what] in engine.labelled(what, f"steadystate.server={server_id}")
                                    for what in left), 40, "the leftovers to be removed")


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
