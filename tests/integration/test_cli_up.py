"""`up` as people see it: stages on a terminal, Ctrl-C, JSON lines, short names of repositories, --ttl.

Covered: the local provider, the forge simulator, a pty. Not covered: containers (test_container_server),
what opens after the session runs.
"""

import contextlib
import json
import os
import pty
import re
import select
import subprocess
import time

import pytest

import steady

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="starts sessions as another account")


@pytest.fixture(name="server")
def fixture_server(server_of, forge):
    forge.add_person("anna", 7)
    return server_of("local", **forge.environment("github"))


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, person, *argv, **env):
        self.ours, theirs = pty.openpty()
        self.seen = ""
        environment = {**person.environment, "TERM": "xterm", **env}
        # The pty becomes the controlling terminal, so that ^C is a signal.
        self.process = subprocess.Popen(["setsid", "--ctty", steady.BUILD / "steadystate", *argv], env=environment,
                                        stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True)
        os.close(theirs)

    def read(self):
        with contextlib.suppress(OSError):
            if select.select([self.ours], [], [], 0.1)[0]:
                self.seen += os.read(self.ours, 65536).decode()
        return self.seen

    def wait_for(self, pattern):
        steady.wait_for(lambda: re.search(pattern, self.read()), 60, f"{pattern} on the terminal")

    def type(self, keys):
        os.write(self.ours, keys)

    def end(self):
        deadline = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
        self.read()
        code = self.process.wait(1)
        os.close(self.ours)
        return code


def test_stages_on_a_terminal(server, forge):
    person = server.person("ann")
    terminal = Terminal(person, "up", "--no-join", forge.repository("team/project"), LANG="C.UTF-8")
    assert terminal.end() == 0, terminal.seen
    done = re.findall(r"✓\S* (\S+) \(\d+\.\d s\)", terminal.seen)
    assert done[0] == "allocated" and "clone" in done, terminal.seen
    assert 'steadystate join "steadystate://collab/' in terminal.seen and "ssh -p " in terminal.seen
    # Symbols where the locale has them, lines that stay where nothing can be rewritten.
    terminal = Terminal(person, "up", "--no-join", forge.repository("team/other"), LANG="C", LC_ALL="C")
    assert terminal.end() == 0 and "✓" not in terminal.seen and "ok" in terminal.seen
    terminal = Terminal(person, "up", "--no-join", forge.url("team/absent"), LANG="C.UTF-8", NO_COLOR="1")
    assert terminal.end() == 1 and "\033" not in terminal.seen and "cleanup" not in terminal.seen
    assert re.search(r"failed clone \(\d+\.\d s\)", terminal.seen), terminal.seen
    terminal = Terminal(person, "--plain", "up", "--no-join", forge.repository("team/third"), LANG="C.UTF-8")
    assert terminal.end() == 0 and "\033" not in terminal.seen and "✓" not in terminal.seen
    assert "\r\x1b" not in terminal.seen and re.search(r"ok allocated \(\d+\.\d s\)", terminal.seen)


def test_look_of_what_is_done(server):
    """A mark on a terminal that has it, the sentence alone anywhere else."""
    for n, (env, mark) in enumerate((({"LANG": "C.UTF-8"}, "\033[32m✓\033[0m "), ({"LANG": "C", "LC_ALL": "C"}, ""),
                                     ({"LANG": "C.UTF-8", "NO_COLOR": "1"}, ""))):
        person = server.person(f"person{n}")
        terminal = Terminal(person, "logout", **env)
        assert terminal.end() == 0 and terminal.seen.startswith(mark + "Logged out of "), terminal.seen
    person = server.person("last")
    assert person.cli("logout").stdout.startswith("Logged out of ")


def test_look_of_a_failure(server):
    """One prefix for failures and warnings, in colour on a terminal only."""
    person = server.person("ann")
    for option, start in (([], "\033[31msteadystate:\033[0m "), (["--plain"], "steadystate: ")):
        terminal = Terminal(person, *option, "down", "nothing")
        assert terminal.end() == 2
        assert terminal.seen.startswith(start + "down: neither a session id"), terminal.seen
    terminal = Terminal(person, "down", "nothing", NO_COLOR="1")
    assert terminal.end() == 2 and "\033" not in terminal.seen


def test_ctrl_c_cleans_up(server, forge):
    person = server.person("ann")
    repository = forge.repository("team/project")
    forge.configure(fault={"kind": "hang", "match": "info/refs"})
    terminal = Terminal(person, "up", "--no-join", repository)
    terminal.wait_for("clone")
    assert [i["state"] for i in json.loads(person.cli("list", "--json").stdout)["sessions"]] == ["Provisioning"]
    terminal.type(b"\x03")
    assert terminal.end() == 130, terminal.seen
    assert "The session is removed." in terminal.seen
    forge.configure(fault=None)
    sessions = server.state / "sessions"
    steady.wait_for(lambda: not sessions.exists() or not list(sessions.iterdir()), 30, "nothing to be left")
    states = [i["state"] for i in json.loads(person.cli("list", "--json").stdout)["sessions"]]
    assert set(states) <= {"Terminating", "Terminated"}


def test_json_lines(server, forge):
    person = server.person("ann")
    done = person.cli("up", "--json", "--no-join", "--ttl", "12h", forge.repository("team/project"))
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({line["id"] for line in lines}) == 1
    assert all(line["state"] == "Provisioning" for line in lines[:-1])
    last = lines[-1]
    assert last["state"] == "Running" and last["magic_link"].startswith("steadystate://collab/" + last["id"])
    assert last["expires_at"] - last["created_at"] == 12 * 3600
    assert "clone" in {line["stage"] for line in lines}
    failed = person.cli("up", "--json", "--no-join", forge.url("team/absent"), check=False)
    assert failed.returncode == 1 and "repository" in failed.stderr
    assert json.loads(failed.stdout.splitlines()[-1])["state"] == "Failed"
    for wrong in (["--ttl", "soon"], ["--ttl", "-1h"], ["--allow", ","], []):
        assert person.cli("up", *wrong, *(["x/y"] if wrong else []), check=False).returncode == 2


def test_short_names(server, forge):
    anna = server.person("anna")
    repository = forge.repository("team/project")
    refused = anna.cli("up", "--no-join", "team/project", check=False)
    assert refused.returncode == 1 and "logged in with sshkey; give the whole URL" in refused.stderr
    forge.configure(tokens={"pat-of-anna": "anna"}, collaborators={"team/project": {"anna": "push"}})
    anna.cli("login", "--provider", "github", "--server", server.url, "--token", "-", input="pat-of-anna\n")
    info = anna.up("team/project").info
    assert info["repo_url"] == repository
    clone = anna.directory / "clone"
    steady.git("clone", "-q", forge.path("team/project"), clone)
    steady.git("remote", "set-url", "origin", repository, cwd=clone)
    (clone / "sub").mkdir()
    done = anna.cli("up", "--json", "--no-join", ".", cwd=clone / "sub")
    assert json.loads(done.stdout.splitlines()[-1])["repo_url"] == repository
    nowhere = anna.cli("up", ".", cwd=anna.directory, check=False)
    assert nowhere.returncode == 4 and "has an origin" in nowhere.stderr
