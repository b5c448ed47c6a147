"""Completion in the shells themselves.

Covered: bash, zsh and fish with the script that `completion` prints: commands, options, values, files,
session ids and logins from a real server. Not covered: their menus and key bindings.
"""

import os
import shlex
import shutil

import pytest

import steady

SHELLS = ["bash", "zsh", "fish"]


class Shell:
    """What the shell offers for a command line whose last word is being typed."""

    def __init__(self, kind, directory, environment):
        self.kind, self.directory = kind, directory
        self.environment = {**environment, "HOME": str(directory), "TERM": "dumb"}
        self.script = directory / "completion"
        self.script.write_text(steady.run(steady.BUILD / "steadystate", "completion", kind).stdout)

    def offers(self, line):
        words = line.split(" ")
        quoted = " ".join(shlex.quote(w) for w in words)
        if self.kind == "bash":
            script = (f"source {self.script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _steadystate; "
                      "printf '%s\\n' \"${COMPREPLY[@]}\"; complete -p steadystate >&2")
            argv = ["bash", "--norc", "-c", script]
        elif self.kind == "zsh":
            # The two functions of the completion system that the script calls.
            script = (f"compdef() {{ }}; compadd() {{ shift; print -rl -- ${{(M)@:#$words[CURRENT]*}} }}; "
                      f"_files() {{ print -rl -- $words[CURRENT]*(N) }}; source {self.script}; "
                      f"words=({quoted}); CURRENT={len(words)}; _steadystate")
            argv = ["zsh", "-f", "-c", script]
        else:
            argv = ["fish", "--no-config", "-c", f"source {self.script}; complete -C {shlex.quote(line)}"]
        done = steady.run(*argv, cwd=self.directory, env=self.environment)
        return {text.split("\t")[0] for text in done.stdout.splitlines() if text}


@pytest.fixture(params=SHELLS, name="shell")
def fixture_shell(request, tmp_path):
    assert shutil.which(request.param), f"{request.param} is not installed"
    return Shell(request.param, tmp_path, {"PATH": f"{steady.BUILD}:{os.environ['PATH']}", "LANG": "C.UTF-8"})


def test_words(shell):
    (shell.directory / "mine.txt").touch()
    (shell.directory / "other file").touch()
    assert shell.offers("steadystate sta") == {"status"}
    assert {"login", "up", "merge-file"} <= shell.offers("steadystate ")
    assert shell.offers("steadystate up --mo") == {"--mode"}
    assert shell.offers("steadystate up --mode ") == {"collab", "pair"}
    assert shell.offers("steadystate --plain help credi") == {"credit"}
    assert shell.offers("steadystate completion z") == {"zsh"}
    assert shell.offers("steadystate merge-file -p mi") == {"mine.txt"}
    assert shell.offers("steadystate merge-file -p mine.txt oth") <= {"other file", "other\\ file"}
    assert shell.offers("steadystate nonsense ") == set()
    # Not logged in: nothing, and no noise.
    assert shell.offers("steadystate down ") == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="starts sessions as another account")
def test_sessions_and_logins(server_of, forge, tmp_path):
    server = server_of("local")
    ann = server.person("ann")
    server.person("bob")
    session = ann.up(forge.repository("team/project"), "--allow", "bob")
    for kind in SHELLS:
        (tmp_path / kind).mkdir()
        shell = Shell(kind, tmp_path / kind, ann.environment)
        assert shell.offers("steadystate down ") == {session.id}
        assert shell.offers(f"steadystate kick {session.id} b") == {"bob"}
        assert shell.offers(f"steadystate extend {session.id[:3]}") == {session.id}
