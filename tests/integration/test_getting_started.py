"""docs/getting-started.md, typed line by line by two people, and compared with what the page shows.

Covered: every line behind a prompt, with a server of the local provider in place of the one that `make
serve` starts (test_serve types that), the forge simulator in place of github.com, and a terminal where the
page opens a shell. Not covered: containers, which look the same from here.
"""

import json
import os
import pty
import re
import select
import shlex
import subprocess
import time

import pytest

import steady

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="starts sessions as another account")

PAGE = steady.ROOT / "docs/getting-started.md"
PROMPT = re.compile(r"^(server|alice|bob|alice@session|bob@session)\$ (.+)$")


def steps():
    """(who, command, what the page shows, line number) in their order."""
    found, inside = [], False
    for number, line in enumerate(PAGE.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and PROMPT.match(line):
            who, command = PROMPT.match(line).groups()
            found.append((who, command, [], number))
        elif inside:
            found[-1][2].append(line)
    return found


def matches(shown, output):
    """`...` is anything, also on several lines or none; runs of blanks are one."""
    got = "".join(" ".join(line.split()) + "\n" for line in output.splitlines())
    pattern = ""
    for line in shown:
        parts = [re.escape(" ".join(part.split())) for part in line.split("...")]
        pattern += "(?:.*\n)?" if line.strip() == "..." else " ?.* ?".join(parts) + "\n"
    return re.fullmatch(pattern, got, re.S) is not None


class Walk:
    """The machines and people of the page."""

    def __init__(self, server, forge):
        self.server, self.forge = server, forge
        self.link = self.session = None
        self.repository = forge.repository("alice/project", {"README.md": "# project\n"})
        self.people = {}
        for login in ("alice", "bob"):
            person = steady.Person(server, server.directory / "people" / login, login)
            agent = steady.run("ssh-agent", "-s", env=person.environment).stdout
            person.environment.update(re.findall(r"(SSH_AUTH_SOCK|SSH_AGENT_PID)=([^;]+);", agent))
            steady.run("ssh-add", person.key, env=person.environment)
            self.people[login] = person
        with open(server.users_file, "a", encoding="ascii") as users:
            users.write(f"alice {self.people['alice'].public_key}\n")

    def close(self):
        for person in self.people.values():
            steady.run("ssh-agent", "-k", env=person.environment, check=False)

    def real(self, text):
        """What the page says, with this test's names of things."""
        text = text.replace("http://127.0.0.1:8080", self.server.url)
        text = text.replace("https://github.com/alice/project", self.repository)
        text = text.replace("bob ssh-ed25519 AAAA... bob@laptop", f"bob {self.people['bob'].public_key}")
        text = text.replace(".serve/users", str(self.server.users_file))
        return text

    def type(self, who, command):
        command = self.real(command)
        if self.link:
            command = command.replace("steadystate://collab/...", self.link)
        if who == "server":
            if command == "make serve":
                return "ready\n"
            return steady.run("bash", "-c", command).stdout
        login, _, place = who.partition("@")
        person = self.people[login]
        if place:
            done = person.ssh(self.session, f"{{ {command}; }} 2>&1")
            return done.stdout
        if command.startswith("steadystate join"):
            return self.join(person, command)
        output = steady.run("bash", "-c", f"{{ {command}; }} 2>&1", env=person.environment, cwd=person.directory).stdout
        if command.startswith("steadystate up"):
            self.link = re.search(r'"(steadystate://\S+)"', output)[1]
            info = person.cli("list", "--json").stdout
            self.session = steady.Session(json.loads(info)["sessions"][0])
        return output

    def join(self, person, command):
        """A shell on a terminal: types one command and leaves."""
        ours, theirs = pty.openpty()
        with subprocess.Popen(["setsid", "--ctty", *shlex.split(command)], env={**person.environment, "TERM": "xterm"},
                              stdin=theirs, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            os.write(ours, b"echo in $((40+2)) $PWD $STEADYSTATE_USERNAME\rexit\r")
            seen, deadline = "", time.monotonic() + 60
            while process.poll() is None and time.monotonic() < deadline:
                if select.select([ours], [], [], 0.1)[0]:
                    try:
                        seen += os.read(ours, 65536).decode(errors="replace")
                    except OSError:
                        break
            assert process.wait(10) == 0, seen
        os.close(ours)
        assert re.search(rf"in 42 \S+/project {person.login}\b", seen), seen
        return ""


def test_the_page_can_be_typed(server_of, forge):
    found = steps()
    assert len(found) >= 30 and {who for who, *_ in found} == {"server", "alice", "bob", "alice@session", "bob@session"}
    walk = Walk(server_of("local"), forge)
    try:
        for who, command, shown, number in found:
            output = walk.type(who, command)
            assert matches([walk.real(line) for line in shown], output), \
                f"line {number}: {who}$ {command}\nthe page shows:\n" + "\n".join(shown) + f"\nit prints:\n{output}"
    finally:
        walk.close()
