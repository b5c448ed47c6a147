"""The command line for scripts: exit codes, JSON of everything that prints data, -q, messages.

Covered: a server of the local provider, two people, one session; a server that is not there; kick and members
from inside; Ctrl-C. Not covered:
the commands inside a session (test_cli_inside), up (test_cli_up).
"""

import json
import os
import re
import signal
import subprocess

import pytest

import steady

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="starts sessions as another account")

ABSENT = "a" * 20


@pytest.fixture(name="world")
def fixture_world(server_of, forge):
    server = server_of("local")
    ann, bob = server.person("ann"), server.person("bob")
    return server, ann, bob, ann.up(forge.repository("team/project"), "--allow", "bob")


def refused(person, code, *argv, **keywords):
    done = person.cli(*argv, check=False, **keywords)
    assert done.returncode == code, done
    assert done.stdout == "" and done.stderr.count("\n") == 1, done
    assert re.fullmatch(r"steadystate: .+: .+\. .+[.?]\n", done.stderr), done
    return done.stderr


def test_exit_codes(world):
    server, ann, bob, session = world
    for command in ("down", "members", "kick", "extend"):
        assert "Try 'steadystate" in refused(ann, 2, command)
        assert "unknown option '--nonsense'" in refused(ann, 2, command, "--nonsense")
        more = {"kick": ["bob"], "extend": ["--ttl", "1h"]}.get(command, [])
        assert "Give a session id or a link." in refused(ann, 2, command, "not-an-id", *more)
        refused(ann, 4, command, ABSENT, *more)
        fresh = {"STEADYSTATE_CONFIG_DIR": str(ann.directory / "fresh")}
        assert "steadystate login" in refused(ann, 3, command, session.id, *more, env=fresh)
    for command in (["down", session.id], ["kick", session.id, "ann"], ["extend", session.id, "--ttl", "1h"]):
        refused(bob, 5, *command)
    nowhere = f"http://127.0.0.1:{steady.free_port()}"
    refused(ann, 6, "login", "--server", nowhere, "--provider", "sshkey", "-i", str(ann.key))
    refused(ann, 2, "extend", session.id)
    refused(ann, 2, "extend", session.id, "--ttl", "later")
    refused(ann, 2, "up", "--mode=trio", "https://example.org/x.git")
    refused(ann, 2, "login", "--server", "ftp://example.org")
    refused(ann, 1, "login", "--provider", "nobody")
    refused(ann, 4, "join", ABSENT, "--", "true")
    server.stop()
    assert "doctor" in refused(ann, 6, "list")
    server.start()


def test_json_of_everything(world):
    _, ann, bob, session = world

    def data(person, *argv):
        done = person.cli(*argv, "--json")
        assert done.stdout.count("\n") == 1 and done.stdout.endswith("\n")
        return json.loads(done.stdout)

    me = data(ann, "whoami")
    assert me["login"] == "ann" and me["provider"] == "sshkey" and me["expires_at"] > 0
    assert data(ann, "refresh")["expires_at"] >= me["expires_at"]
    assert [s["id"] for s in data(bob, "list")["sessions"]] == [session.id]
    assert {m["login"] for m in data(ann, "members", session.id)["members"]} >= {"ann", "bob"}
    assert {s["branch"] for s in data(bob, "list")["sessions"]} == {None}
    entry = data(ann, "ssh-config", session.id)
    assert (entry["hostname"], entry["port"], entry["user"]) == (session.host, session.port, session.user)
    assert entry["entry"].startswith(f"Host {entry['host']}\n")
    before = session.info["expires_at"]
    assert data(ann, "extend", session.link, "--ttl", "100h")["expires_at"] > before
    assert data(ann, "kick", session.id, "bob") == {"login": "bob", "id": session.id}
    assert data(ann, "version")["version"]
    ann.write(session, "later.txt", "work\n")
    assert data(ann, "down", session.id)["state"] == "Terminated"
    assert data(ann, "archive", "list")
    got = data(ann, "archive", "get", session.id, "-o", str(ann.directory / "work"))
    assert got == {"id": session.id, "file": str(ann.directory / "work")} and os.path.getsize(got["file"]) > 0
    with open(ann.directory / "piped", "wb") as out:
        subprocess.run([steady.BUILD / "steadystate", "archive", "get", session.id, "-o", "-"], env=ann.environment,
                       stdout=out, check=True, timeout=60)
    assert (ann.directory / "piped").read_bytes() == (ann.directory / "work").read_bytes()
    assert data(bob, "logout")["revoked"] is True
    refused(bob, 3, "whoami")


def test_quiet(world, forge):
    """-q: data and errors only, so that a script sees nothing else."""
    _, ann, _, _ = world
    loud = ann.cli("up", "--no-join", forge.repository("team/second"))
    assert "allocated" in loud.stderr and "join" in loud.stdout
    quiet = ann.cli("-q", "up", "--no-join", forge.repository("team/third"))
    assert "allocated" not in quiet.stderr and "steadystate://" in quiet.stdout
    ids = ann.cli("-q", "list", "--ids").stdout.split()
    assert len(ids) == 3 and all(len(i) == 20 for i in ids)
    assert ann.cli("members", ids[0], "--quiet").stdout != "" and ann.cli("down", ids[0], "-q").stdout == ""


def test_kick_and_members_from_inside(world):
    """The creator needs no login in there; whoever is out stays out."""
    _, ann, bob, session = world
    inside = json.loads(ann.ssh(session, "steadystate members --json").stdout)
    assert {m["login"]: m["connected"] for m in inside["members"]} == {"ann": True, "bob": False}
    done = bob.ssh(session, "steadystate kick ann", check=False)
    assert done.returncode == 5 and "only the creator" in done.stderr
    for who, code in (("ann", 1), ("zed", 4)):
        assert ann.ssh(session, f"steadystate kick {who}", check=False).returncode == code
    with subprocess.Popen(["ssh", *bob.ssh_argv(session), "-p", str(session.port), f"{session.user}@{session.host}",
                           "echo there; sleep 600"], stdout=subprocess.PIPE, env=bob.environment) as process:
        assert process.stdout.readline() == b"there\n"
        done = ann.ssh(session, "steadystate kick bob --json")
        assert json.loads(done.stdout) == {"login": "bob", "id": session.id}
        assert process.wait(60) != 0
    steady.wait_for(lambda: [m for m in json.loads(ann.cli("members", session.id, "--json").stdout)["members"]
                             if m["login"] == "bob" and m["kicked"]], 30, "the server to know")
    assert session.id not in bob.cli("list", "--ids").stdout
    assert bob.ssh(session, "true", check=False).returncode == 255
    assert "detail" in json.loads(ann.ssh(session, "tail -n1 $ACTIVITY_LOG").stdout)


def test_interrupted(world):
    """Ctrl-C gives 130 whatever the command does."""
    _, ann, _, _ = world
    with subprocess.Popen([steady.BUILD / "steadystate", "login", "--provider", "fake", "--token", "-"],
                          env=ann.environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        def is_there():
            with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
                text = file.read()
            caught = int(re.search(r"^SigCgt:\s*(\w+)", text, re.M)[1], 16)
            return "Name:\tsteadystate-out" in text and caught & 1 << (signal.SIGINT - 1)
        steady.wait_for(is_there, 30, "the command to be there")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
