"""The dashboard as people see it: `steadystate dashboard` in a terminal, `watch` in a session.

Covers: people and what they do, syncs as they come, the radar between two unsynced worktrees, keys,
copying by OSC 52, sizes, a killed connection, plain and JSON forms, that nobody's reader process is
left, that an idle one sleeps. Not covered: the layout cell by cell (tests/unit/watch), what the agent
refuses (test_agent_*).
"""

import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

import agentlib
import steady

LINES = "".join(f"line {i}\n" for i in range(1, 31))


def changed(*numbers, word="changed"):
    return "".join(f"{word} {i}\n" if i in numbers else f"line {i}\n" for i in range(1, 31))


class Shell:
    """Somebody who is connected."""

    def __init__(self, person, session):
        self.process = subprocess.Popen(
            ["ssh", *person.ssh_argv(session), "-p", str(session.port), f"{session.user}@{session.host}", "echo in; cat"],
            env=person.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        while self.process.stdout.readline() != "in\n":
            assert self.process.poll() is None

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)


@pytest.fixture
def scene(request, server_of, forge):
    """(ann, ben, session): ben is connected."""
    server = server_of(getattr(request, "param", "local"))
    ann, ben = server.person("ann"), server.person("ben")
    session = ann.up(forge.repository("team/project", {"a.c": LINES, "b.c": LINES}), "--allow", "ben")
    shell = Shell(ben, session)
    yield ann, ben, session
    shell.close()


def dashboard(screens, person, session, columns=100, rows=32, **environment):
    argv = [steady.BUILD / "steadystate", "dashboard", "-i", person.key, session.link]
    return screens.open(argv, columns, rows, {**person.environment, **environment})


def processes(session, ending):
    """Processes of this session whose command line ends so."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"SESSION_ID={session.id}\0".encode() in (entry / "environ").read_bytes():
                line = (entry / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
                if line.endswith(ending):
                    found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("scene", ["local", "podman"], indirect=True)
def test_a_session_as_it_happens(scene, screens):
    ann, ben, session = scene
    screen = dashboard(screens, ann, session)
    screen.wait_for(rf"SteadyState  project  collab.* left until it ends.*session {session.id}.*"
                    rf"branch  {session.branch}.*ssh     ssh -p {session.port} ")
    screen.wait_for(r"People here \(2\)\n  ● ann \(you\) .*\n  ● ben ")
    screen.wait_for(r"Your changes, not synced\n  none")

    ann.write(session, "a.c", changed(3, 11, word="mine"))
    screen.wait_for(r"● ann \(you\) +editing a.c.*M a.c  3, 11")
    ben.write(session, "b.c", changed(5))
    screen.wait_for(r"● ben +editing b.c, typing  1 unsynced")
    assert "same lines" not in screen.rows()
    ben.write(session, "a.c", changed(11, 20))
    screen.wait_for(r"The same lines as others, not synced \(1\)\n  ! a.c  11  ben")

    # Ben's sync: it is told with files and lines, and what he has synced is on no radar.
    ben.sync(session)
    screen.wait_for(r"ben synced 2 files: a.c 11, 20; b.c 5")
    steady.wait_for(lambda: "same lines" not in screen.rows(), what="the radar to be empty")

    # Ann's own, by the key: both rewrote line 11.
    screen.keys("s")
    screen.wait_for(r" sync\n.*Synced: 1 sent.*a.c")
    screen.keys("q")
    screen.wait_for(r"Your changes, not synced\n  none.*ann overlap with ben: a.c 11")
    assert "mine 3" in ben.ssh(session, f"git -C \"$CANONICAL_REPO\" show {session.branch}:a.c").stdout

    screen.keys("c")
    screen.wait_for(r"\n a.c: both rewrote lines 11")  # one line needs no page of its own
    screen.keys("q")
    assert screen.ended() == 0
    # Nobody looks: nothing looks at the worktrees.
    steady.wait_for(lambda: not processes(session, "steadystate-agent scan"), what="the scans to end")


def test_radar_follows_lines_between_commits(scene, screens):
    ann, ben, session = scene
    screen = dashboard(screens, ann, session)
    screen.wait_for(r"● ben ")
    # Ben's base is a commit further: ten more lines on top.
    ben.write(session, "a.c", "new\n" * 10 + LINES)
    ben.sync(session)
    ben.write(session, "a.c", "new\n" * 10 + changed(20))
    ann.write(session, "a.c", changed(15, 20))
    screen.wait_for(r"! a.c  20  ben")
    assert "! a.c  15" not in screen.rows()
    ben.write(session, "a.c", "new\n" * 10 + LINES)
    steady.wait_for(lambda: "same lines" not in screen.rows(), what="the radar to be empty")


def test_keys_and_sizes(scene, screens):
    ann, _, session = scene
    screen = dashboard(screens, ann, session, columns=80, rows=24)
    screen.wait_for(r"People here \(2\)")
    screen.keys("?")
    screen.wait_for(r" Help\n.* s  sync: .* q back")
    screen.keys("q")
    screen.wait_for(r"People here")
    screen.keys("y")
    screen.wait_for("The join line is copied")
    assert steady.wait_for(screen.clipboard) == f"steadystate join '{session.link}'"
    screen.keys("Y")
    screen.wait_for("The ssh line is copied")
    steady.wait_for(lambda: screen.clipboard() == f"ssh -p {session.port} {session.user}@{session.host}")

    screen.keys("d")
    screen.wait_for("diff: nothing")
    ann.write(session, "a.c", changed(7))
    screen.wait_for("M a.c  7")
    screen.keys("d")
    screen.wait_for(r"-line 7\n\+changed 7")
    screen.keys("q")

    screen.resize(180, 24)
    screen.wait_for(r"People here \(2\) +│ Activity")
    screen.resize(40, 12)
    screen.wait_for(r"SteadyState  project .* left\n.* s p d c y \? q")
    assert all(len(line) <= 40 for line in screen.rows().splitlines())
    screen.keys("End")
    screen.wait_for(r"started the se")
    screen.keys("Home")
    screen.wait_for(r"People here")
    screen.keys("C-c")
    assert screen.ended() == 0


def test_every_key_of_a_command(scene, screens, forge):
    ann, ben, session = scene
    screen = dashboard(screens, ann, session)
    screen.wait_for(r"People here \(2\)")
    screen.keys("c")
    screen.wait_for("No overlaps to look at")
    ann.write(session, "a.c", changed(2, word="mine"))
    screen.wait_for("M a.c  2")
    screen.keys("p")
    screen.wait_for(r" publish\n.*[Pp]ublished.*q back")
    screen.keys("q")
    screen.wait_for(r"Your changes, not synced\n  none")
    assert "mine 2" in steady.git("-C", forge.path("team/project"), "show", f"{session.branch}:a.c")


def test_time_left_follows_extend(scene, screens):
    ann, _, session = scene
    outside = dashboard(screens, ann, session)
    outside.wait_for(r"1 d 23 h left until it ends")
    argv = ["ssh", *ann.ssh_argv(session, "-tt"), "-p", session.port, f"{session.user}@{session.host}"]
    inside = screens.open([*argv, "steadystate watch"], env=ann.environment)
    inside.wait_for(r"1 d 23 h left until it ends")
    plain = screens.open([*argv, "steadystate watch --plain"], rows=60, env=ann.environment)
    plain.wait_for(r"Time left: 1 d 23 h")
    ann.cli("extend", session.id, "--ttl", "100h")
    for screen in (outside, inside):
        screen.wait_for(r"4 d 3 h left until it ends")
    plain.wait_for(r"The session ends \d{4}-\d\d-\d\d \d\d:\d\d now\.")
    # Whoever comes later sees it too, and so does an agent that was away when it was told.
    state = json.loads(ann.ssh(session, "steadystate watch --json").stdout)
    assert state["expires_at"] == json.loads(ann.cli("extend", session.id, "--ttl", "60", "--json").stdout)["expires_at"]


@pytest.mark.parametrize("term", ["dumb", "vt100", "xterm-256color"])
def test_terminals_of_all_kinds(scene, screens, term):
    ann, _, session = scene
    screen = dashboard(screens, ann, session, columns=60, rows=20, TERM=term)
    if term == "dumb":  # nothing to draw on: told line by line
        screen.wait_for(r"(?s)cannot be drawn on.*People:\n  ann \(you\): ")
        screen.keys("C-c")
        return
    screen.wait_for(r"People here \(2\)\n  ● ann \(you\)")
    colours = re.search(r"\033\[(?:\d+;)*3[0-7]m", screen.rows("-e"))
    assert bool(colours) == (term != "vt100")
    screen.resize(20, 8)
    screen.wait_for(r"SteadyState")
    steady.wait_for(lambda: all(len(line) <= 20 for line in screen.rows().splitlines()), what="20 columns")
    screen.resize(5, 3)  # less than can be drawn: no crash
    screen.resize(100, 30)
    screen.wait_for(r"People here \(2\)\n  ● ann \(you\)")
    screen.keys("q")
    assert screen.ended() == 0


def test_without_colour_and_symbols(scene, screens):
    ann, _, session = scene
    screen = dashboard(screens, ann, session, NO_COLOR="1", LANG="C")
    screen.wait_for(r"People here \(2\)\n  \* ann \(you\)")
    assert screen.rows().isascii()
    assert not re.search(r"\033\[(?:\d+;)*3[0-7]m", screen.rows("-e"))


def ssh_of(screen):
    """Process id of the dashboard's connection."""
    for pid in agentlib.descendants(screen.pid()):
        if b"watch --events" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return None


def test_lost_connection_comes_back(scene, screens):
    ann, ben, session = scene
    screen = dashboard(screens, ann, session)
    screen.wait_for(r"People here \(2\).*none")
    first = ssh_of(screen)
    os.kill(first, signal.SIGSTOP)
    os.kill(first, signal.SIGKILL)
    shown = screen.wait_for(r"Connection lost, trying again").string
    assert "● ben" in shown  # what was seen last
    ben.write(session, "b.c", changed(9))
    steady.wait_for(lambda: ssh_of(screen) not in (None, first), what="another connection")
    screen.wait_for(r"● ben [^\n]* 1 unsynced")
    assert "Connection lost" not in screen.rows()
    assert screen.rows().count("started the session") == 1


def test_plain_and_json(scene):
    ann, ben, session = scene
    ben.write(session, "b.c", changed(9))
    ann.write(session, "b.c", changed(9, 12))
    state = json.loads(ann.cli("dashboard", "--json", "-i", ann.key, session.link).stdout)
    assert {p["login"]: p["connected"] for p in state["people"]} == {"ann": True, "ben": True}
    assert state["unsynced"] == [{"file": "b.c", "change": "M", "lines": "9, 12"}]
    assert state["magic_link"] == session.link and state["expires_at"] > 0
    plain = subprocess.Popen([steady.BUILD / "steadystate", "dash", "-i", ann.key, session.link],
                             env=ann.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        seen = []

        def until(text):
            while text not in "".join(seen):
                line = plain.stdout.readline()
                assert line, "".join(seen)
                seen.append(line)
        until("ben has changed b.c line 9 too, not synced.")
        ben.sync(session)
        until("ben synced 1 file: b.c 9")
        assert "\033" not in "".join(seen)
    finally:
        plain.terminate()
        plain.wait(30)
        plain.stdout.close()


def test_refusals(scene):
    ann, _, session = scene
    cia = ann.server.person("cia")
    done = cia.cli("dashboard", "--plain", "-i", cia.key, session.link, check=False)
    assert done.returncode == 5 and "Permission denied" in done.stderr
    gone = session.link.replace(str(session.port), str(steady.free_port()))
    person = agentlib.Key(ann.directory, "nobody")
    env = {**ann.environment, "STEADYSTATE_CONFIG_DIR": str(ann.directory / "other")}
    done = steady.run(steady.BUILD / "steadystate", "dashboard", "--plain", "-i", person.file, gone, env=env, check=False)
    assert done.returncode == 6 and "Connection refused" in done.stderr
    assert ann.cli("dashboard", "x", check=False).returncode == 2
    assert ann.cli("watch", check=False).returncode != 0


def voluntary_switches(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches"):
            return int(line.split()[1])
    return None


def test_an_idle_one_sleeps(scene, screens):
    """Counted in wake-ups, not in time: while nothing happens for as long as 20 looks at the machine take,
    neither the stream nor a scan wakes more than a few times."""
    ann, ben, session = scene
    screen = dashboard(screens, ann, session)
    screen.wait_for(r"People here \(2\).*none")
    streams = processes(session, "watch --events")
    looks = processes(session, "steadystate-agent scan")
    assert streams and looks
    watched = [*streams, *looks, screen.pid()]

    def quiet():
        before = [voluntary_switches(p) for p in watched]
        for _ in range(20):
            steady.run("ps", "-e")
        return all(now - then <= 3 for now, then in zip((voluntary_switches(p) for p in watched), before))
    steady.wait_for(quiet, 60, "everything to sleep")
