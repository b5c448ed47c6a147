"""The server's processes around local sessions: restarts, kills, what is left behind.

Covers: graceful restart under load, kill -9 of the api process, the keeper and the agent, kill -9 of
both at random moments of `up`, of every process during `publish`, two servers in one state directory, removal of everything at the end,
a killed agent's leftovers, a store of every older schema, a server and a foreign repository below /tmp. Not covered: the same with an engine (test_story, test_container_*), what
the api process is refused (test_probe).
"""

import contextlib
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time

import pytest

import steady
import synclib


def keeper_of(server):
    """Process id of the keeper: the api process's only child."""
    children = pathlib.Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    (pid,) = children.split()
    return int(pid)


def processes_of(text):
    """[(pid, command line)] of every process that has the text among its arguments or its environment."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            if text.encode() in command + (entry / "environ").read_bytes():
                found.append((int(entry.name), command.replace(b"\0", b" ").decode(errors="replace")))
        except OSError:
            continue
    return found


def agents_of(session):
    return [pid for pid, command in processes_of(session.id) if "steadystate-agent run" in command]


def nothing_left(server, session_id):
    """No process, no directory, no mark of a session."""
    return not processes_of(session_id) and not list((server.state / "sessions").glob(f"{session_id}*"))


def state_of(person, session_id):
    for info in json.loads(person.cli("list", "--json").stdout)["sessions"]:
        if info["id"] == session_id:
            return info["state"]
    return None


def answers(person, session, word):
    done = person.ssh(session, f"echo {word}", "-oConnectTimeout=5", check=False)
    return done.returncode == 0 and done.stdout == f"{word}\n"


def token_of(person):
    return json.loads((person.directory / "config" / "session.json").read_text())["jwt"]


def ask_store(path, sql):
    with contextlib.closing(sqlite3.connect(path)) as store, store:
        return store.execute(sql).fetchall()


@pytest.fixture
def running(server_of, forge):
    """(server, person, session): one running session."""
    server = server_of("local")
    person = server.person("ann")
    return server, person, person.up(forge.repository("team/project"))


def test_restart_under_load(running):
    server, person, session = running
    token = token_of(person)
    shell = subprocess.Popen(
        ["ssh", *person.ssh_argv(session), "-p", str(session.port), f"{session.user}@{session.host}",
         "while read -r line; do echo \"$line\"; done"],
        env=person.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ending = threading.Event()
    wrong = []

    def ask():
        while not ending.is_set():
            try:
                status, answer, _ = server.request("GET", f"/sessions/{session.id}", token=token)
            except OSError:
                continue  # between two servers
            if status not in (200, 503) or (status == 200 and answer["state"] != "Running"):
                wrong.append((status, answer))

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    try:
        for i in range(3):
            server.restart()
            # The connection that was open all the time has noticed nothing.
            shell.stdin.write(f"line {i}\n")
            shell.stdin.flush()
            assert shell.stdout.readline() == f"line {i}\n"
            assert answers(person, session, f"again{i}")
    finally:
        ending.set()
        for asker in askers:
            asker.join()
        shell.stdin.close()
        shell.wait(10)
        shell.stdout.close()
    assert wrong == []
    assert len(agents_of(session)) == 2  # the agent and the process above it, the same as before


@pytest.mark.parametrize("which", ["api", "keeper"])
def test_kill_of_one_ends_both_and_sessions_go_on(running, which):
    server, person, session = running
    keeper = keeper_of(server)
    agents = agents_of(session)
    process = server.process
    os.kill(keeper if which == "keeper" else process.pid, signal.SIGKILL)
    assert process.wait(10) == (1 if which == "keeper" else -signal.SIGKILL)
    steady.wait_for(lambda: not pathlib.Path(f"/proc/{keeper}").exists(), 10, "the keeper to end")
    server.process = None
    assert answers(person, session, "alone")
    server.start()
    assert state_of(person, session.id) == "Running"
    assert answers(person, session, "again")
    assert agents_of(session) == agents
    # The new keeper has a channel: what the agent knows arrives, and it can end the session.
    with subprocess.Popen(["ssh", *person.ssh_argv(session), "-p", str(session.port),
                           f"{session.user}@{session.host}", "echo in; read -r line"], env=person.environment,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout.readline() == "in\n"
        steady.wait_for(lambda: "connected" in person.cli("members", session.id).stdout, 20, "presence")
        shell.stdin.write("\n")
    person.cli("down", session.id)
    steady.wait_for(lambda: nothing_left(server, session.id), 20, "the session to be gone")


# How to take a database back by one version; who adds a migration adds its undoing here.
UNDO = {2: "DROP TABLE provider_tokens"}


def test_upgrade_with_a_running_session(running):
    """A server that comes back as a newer version finds users, logins and sessions of every older schema."""
    server, person, session = running
    token = token_of(person)
    path = server.state / "steadystate.db"
    ((newest,),) = ask_store(path, "PRAGMA user_version")
    for version in range(newest, 1, -1):
        server.stop()
        for undone in range(newest, version - 1, -1):
            ask_store(path, UNDO[undone])
        ask_store(path, f"PRAGMA user_version = {version - 1}")
        server.start()
        assert ask_store(path, "PRAGMA user_version") == [(newest,)]
        status, answer, _ = server.request("GET", f"/sessions/{session.id}", token=token)
        assert status == 200 and answer["state"] == "Running"
        steady.wait_for(lambda: answers(person, session, "upgraded"), 20, "the session to answer")
    person.cli("refresh")  # the refresh token of before
    server.stop()
    ask_store(path, "PRAGMA user_version = 999")
    done = steady.run(steady.BUILD / "steadystated", env=server.environment, check=False, timeout=60)
    assert done.returncode != 0 and "999" in done.stderr
    ask_store(path, f"PRAGMA user_version = {newest}")
    server.start()


def test_killed_agent_is_back_within_five_seconds(running):
    server, person, session = running
    person.ssh(session, "echo precious > \"$USER_WORKSPACE\"/unsynced.txt; sleep 300 >/dev/null 2>&1 & true")
    for pid in agents_of(session):
        os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    # Same port, same host key (ssh checks it), same files.
    steady.wait_for(lambda: answers(person, session, "back"), 20, "the session to be back")
    assert time.monotonic() - killed < 5
    assert person.read(session, "unsynced.txt") == "precious\n"
    assert state_of(person, session.id) == "Running"


def test_agent_killed_while_the_server_is_away(running):
    server, person, session = running
    server.stop()
    for pid in agents_of(session):
        os.kill(pid, signal.SIGKILL)
    server.start()
    steady.wait_for(lambda: answers(person, session, "back"), 20, "the session to be back")


def test_kill_at_any_moment_of_up(server_of, forge):
    """Whatever dies while sessions are made: afterwards each is Running and works, or is Failed and gone."""
    repository = forge.repository("team/project")
    server = server_of("local")
    person = server.person("ann")
    seed = int.from_bytes(os.urandom(4), "big")
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(6):
        starting = subprocess.Popen([steady.BUILD / "steadystate", "up", "--no-join", repository],
                                    env=person.environment, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, 0.6))
        victim = chance.choice(["api", "keeper"])
        os.kill(server.process.pid if victim == "api" else keeper_of(server), signal.SIGKILL)
        server.process.wait(10)
        server.process = None
        server.start()
        starting.wait(60)

    def settled():
        infos = json.loads(person.cli("list", "--json").stdout)["sessions"]
        return all(i["state"] in ("Running", "Failed") and i["stage"] != "cleanup" for i in infos) and infos

    for info in steady.wait_for(settled, 60, "every session to settle"):
        session = steady.Session(info)
        if info["state"] == "Running":
            assert answers(person, session, "works")
            person.cli("down", info["id"])
        steady.wait_for(lambda i=info: nothing_left(server, i["id"]), 20, "nothing to be left")
    steady.wait_for(lambda: list((server.state / "sessions").iterdir()) == [], 20, "no directory to be left")


def test_kill_at_any_moment_of_publish(running, forge):
    """Whatever dies while somebody publishes: the next publish works, and every line is published once."""
    server, person, session = running
    seed = int.from_bytes(os.urandom(4), "big")
    print("seed", seed)
    chance = random.Random(seed)
    victims = ["api", "keeper", "agent", "command"] * 2
    chance.shuffle(victims)
    for i, victim in enumerate(victims):
        person.ssh(session, f'cd "$USER_WORKSPACE" && echo line {i} >> lines.txt')
        publishing = subprocess.Popen(
            ["ssh", *person.ssh_argv(session), "-p", str(session.port), f"{session.user}@{session.host}",
             'cd "$USER_WORKSPACE" && steadystate publish'], env=person.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.1, 0.8))
        if victim in ("api", "keeper"):
            os.kill(server.process.pid if victim == "api" else keeper_of(server), signal.SIGKILL)
            server.process.wait(10)
            server.process = None
            server.start()
        else:
            found = agents_of(session) if victim == "agent" else [
                pid for pid, command in processes_of(session.id) if "steadystate-inside" in command
                or "steadystate publish" in command]
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        publishing.wait(60)
        steady.wait_for(lambda: answers(person, session, "here"), 30, "the session to answer")
        person.ssh(session, 'cd "$USER_WORKSPACE" && steadystate publish')
        published = forge.show("team/project", session.branch, "lines.txt")
        assert published == "".join(f"line {k}\n" for k in range(i + 1))
    steady.git("fsck", "--strict", cwd=forge.path("team/project"))


def test_down_takes_everything_away_and_keeps_the_work(running, forge):
    server, person, session = running
    person.write(session, "unsynced.txt", "precious\n")
    person.ssh(session, "setsid sleep 300 >/dev/null 2>&1 &")
    person.cli("down", session.id)
    steady.wait_for(lambda: nothing_left(server, session.id), 20, "the session to be gone")
    assert state_of(person, session.id) == "Terminated"
    bundle = person.directory / "work.bundle"
    person.cli("archive", "get", session.id, "-o", bundle)
    # It holds what the origin does not have.
    clone = person.directory / "work"
    steady.git("clone", "-q", forge.path("team/project"), clone)
    steady.git("fetch", "-q", bundle, "refs/*:refs/archive/*", cwd=clone)
    names = steady.git("for-each-ref", "--format=%(refname)", "refs/archive", cwd=clone).split()
    trees = [steady.git("ls-tree", "-r", "--name-only", name, cwd=clone) for name in names]
    assert any("unsynced.txt" in tree for tree in trees)


def test_two_servers_never_share_a_state_directory(server_of):
    server = server_of("local")
    environment = {**server.environment, "STEADYSTATE_PORT": str(steady.free_port())}
    second = subprocess.run([steady.BUILD / "steadystated"], env=environment, stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert second.stderr == f"steadystated: another server uses {server.state}\n"
    assert server.is_up()


@pytest.mark.parametrize("name, value, reason", [
    ("STEADYSTATE_SESSION_DISK", "1g", "STEADYSTATE_SESSION_DISK: no engine here can limit a session's disk; unset it"),
    ("STEADYSTATE_SESSION_SUBNETS", "10.0.0.0/29", "STEADYSTATE_SESSION_SUBNETS"),
    ("STEADYSTATE_SESION_ROOT", "/x", "STEADYSTATE_SESION_ROOT"),
])
def test_bad_configuration_is_refused_in_one_line(server_of, name, value, reason):
    server = server_of("local", start=False, **{name: value})
    done = subprocess.run([steady.BUILD / "steadystated"], env=server.environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_files_of_the_server_are_its_own(running):
    server, _, session = running
    for path in server.state.iterdir():
        mode = path.stat().st_mode & 0o777
        assert mode in ((0o711, 0o700) if path.is_dir() else (0o600,)), (path, oct(mode))
    assert (server.state / "sessions" / session.id).stat().st_mode & 0o777 == 0o700


def test_below_tmp_with_somebody_elses_repository(local_account, addresses):
    """A sticky /tmp is no danger to keys, and whoever owns a path that the operator allows, it is cloned. Keys are
    found in $HOME, too, and a command that dies of a signal has nothing to explain."""
    with tempfile.TemporaryDirectory(prefix="ss-", dir="/tmp") as directory:
        place = pathlib.Path(directory)
        place.chmod(0o755)
        origin = synclib.make_origin(place, local_account)
        steady.run("chown", "-R", "root", origin)
        server = steady.Server(place / "server", "local", None, addresses, STEADYSTATE_ALLOW_LOCAL_REPOS="1")
        try:
            ann = server.start().person("ann")
            session = ann.up(f"file://{origin}")
            dot_ssh = ann.directory / ".ssh"
            dot_ssh.mkdir()
            for name in ("id_ed25519", "id_ed25519.pub"):
                (ann.directory / name).rename(dot_ssh / name)
            ann.key = dot_ssh / "id_ed25519"
            done = ann.cli("join", session.link, "--", "echo more >>README.md; steadystate sync -q; git log -1 --format=%s")
            assert done.stdout == "sync: 1 files by ann\n"
            done = ann.cli("join", session.link, "--", "steadystate publish", check=False)
            assert done.returncode == 5 and "refused the branch" in done.stderr
            steady.run("chown", "-R", local_account, origin)
            ann.cli("join", session.link, "--", "steadystate publish")
            done = ann.cli("join", session.link, "--", "kill -9 $$", check=False)
            assert done.returncode == 255 and "steadystate:" not in done.stderr
            ann.cli("down", session.id)
        finally:
            server.close()
