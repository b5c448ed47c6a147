"""status, diff and credit as people use them: renames, binary files, paths, counts, colour, pager, JSON.

Covered: a session of two people over the local provider; a terminal (pty) and no terminal. Not covered:
what sync does with it all (test_sync_basic), containers.
"""

import contextlib
import json
import os
import pty
import select
import subprocess

import pytest

import steady
import synclib

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="starts agents as another account")

FILES = {"README.md": "one\ntwo\nthree\n", "src/main.c": "".join(f"int v{i};\n" for i in range(20)),
         "src/other.c": "int other;\n", "logo.png": b"\x89PNG\0\x01", "gone.txt": "gone\n"}


@pytest.fixture(name="people")
def fixture_people(place, local_account):
    with synclib.session(place, local_account, FILES) as session:
        yield session.people


def on_terminal(person, *argv, **env):
    """What the command writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    environment = {**person.env, "TERM": "xterm", "COLUMNS": "80", "LANG": "C.UTF-8", **env}
    with subprocess.Popen([str(synclib.CLI), *argv], cwd=person.tree, env=environment, stdin=theirs, stdout=theirs,
                          stderr=theirs, **person.account()) as process:
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):
            while select.select([ours], [], [], 60)[0]:
                piece = os.read(ours, 65536)
                if not piece:
                    break
                seen += piece
        assert process.wait(60) == 0, seen
    os.close(ours)
    return seen.decode().replace("\r\n", "\n")


def change(ann):
    ann.sh("git mv src/main.c src/program.c; echo 'int more;' >>src/program.c; rm gone.txt; echo new >src/new.c; "
           "printf '\\211PNG\\0\\2' >logo.png")


def test_status_and_diff(people):
    ann, ben = people
    change(ann)
    status = ann.cli("status").stdout
    assert "  R src/main.c -> src/program.c  +1 -0\n" in status
    assert "  M logo.png  (binary)\n" in status and "  D gone.txt  +0 -1\n" in status and "  A src/new.c" in status
    assert "Connected:" in status and "\033" not in status
    files = {f["file"]: f for f in json.loads(ann.cli("status", "--json").stdout)["to_send"]}
    assert files["src/program.c"] == {"file": "src/program.c", "change": "R", "old_file": "src/main.c", "added": 1,
                                      "deleted": 0}
    assert files["logo.png"] == {"file": "logo.png", "change": "M", "binary": True}
    # Paths are relative to where one is; everything else is left out.
    narrow = ann.cli("status", "--json", ".", cwd=ann.tree / "src").stdout
    assert {f["file"] for f in json.loads(narrow)["to_send"]} == {"src/program.c", "src/new.c"}
    assert "gone.txt" not in ann.cli("status", "../logo.png", cwd=ann.tree / "src").stdout

    patch = ann.cli("diff").stdout
    assert "rename from src/main.c\nrename to src/program.c\n" in patch and "\n+int more;\n" in patch
    assert "Binary files a/logo.png and b/logo.png differ" in patch and "\033" not in patch
    assert "1 file changed, 1 insertion(+)" in ann.cli("diff", "--stat", "new.c", cwd=ann.tree / "src").stdout
    assert ann.cli("diff", "--name-status", "gone.txt").stdout == "D\tgone.txt\n"
    listed = json.loads(ann.cli("diff", "--json", str(ann.tree / "src")).stdout)
    assert {f["file"] for f in listed["files"]} == {"src/program.c", "src/new.c"}
    outside = ann.cli("diff", "../..", check=False)
    assert outside.returncode == 1 and "not in the worktree" in outside.stderr

    ann.sync()
    assert json.loads(ben.cli("status", "--json").stdout)["to_send"] == []
    assert "To receive" in ben.cli("status").stdout
    assert "+new\n" in ben.cli("diff", "--incoming", "src/new.c").stdout
    ben.sync()
    assert "Everything is in sync.\n" in ben.cli("status").stdout
    assert ben.cli("diff").stdout == ""


def test_terminal(people):
    """Colour only on a terminal and never against NO_COLOR or --plain; a pager for what is long."""
    ann, _ = people
    change(ann)
    pager = ann.home / "pager"
    pager.write_text("#!/bin/sh\necho paged \"$1\"; cat\n")
    pager.chmod(0o755)
    assert "\033[3" in on_terminal(ann, "status")
    assert "\033" not in on_terminal(ann, "status", NO_COLOR="1")
    assert "\033" not in on_terminal(ann, "--plain", "status")
    assert "\033" not in on_terminal(ann, "status", TERM="dumb")
    shown = on_terminal(ann, "diff", PAGER=f"{pager} now")
    assert shown.startswith("paged now\n") and "\033[" in shown
    shown = on_terminal(ann, "credit", "README.md", PAGER=f"{pager} now")
    assert shown.startswith("paged now\n") and "\033[" in shown and "one" in shown
    for command in (("diff",), ("credit", "README.md")):
        shown = on_terminal(ann, "--plain", *command, PAGER=str(pager))
        assert "paged" not in shown and "\033" not in shown
    # A pager that is not there, and one that leaves early.
    assert "three" in on_terminal(ann, "credit", "README.md", PAGER="/nonexistent/pager")
    on_terminal(ann, "credit", "README.md", PAGER="true")


def credits(person, name, **keywords):
    lines = json.loads(person.cli("credit", "--json", name, **keywords).stdout)
    assert [line["line"] for line in lines] == list(range(1, len(lines) + 1))
    return [(line.get("author"), line["text"]) for line in lines]


def test_credit(place, local_account):
    """History of before the session with a merge, lines of each person, lines that a sync merged, and
    what is not synced: saved, committed, new."""
    script = """
        export GIT_AUTHOR_NAME=Old GIT_AUTHOR_EMAIL=o@x GIT_COMMITTER_NAME=Old GIT_COMMITTER_EMAIL=o@x
        git add -A; git commit -q -m base; git checkout -q -b side
        sed -i 's/two/TWO/' README.md; GIT_AUTHOR_NAME=Rita git commit -q -am side; git checkout -q main
        echo x >x; git add x; git commit -q -m main; git merge -q --no-ff -m merge side; git branch -q -d side"""
    with synclib.session(place, local_account, {"README.md": "one\ntwo\nthree\nfour\n"}, script) as session:
        ann, ben = session.people
        # In the merge of a history with merges every line is its author's.
        assert credits(ann, "README.md") == [("Old", "one"), ("Rita", "TWO"), ("Old", "three"), ("Old", "four")]
        ann.write("README.md", "one of ann\nTWO\nthree\nfour\n")
        ben.write("README.md", "one\nTWO\nthree\nfour\nfive of ben\n")
        ann.sync()
        ben.sync()
        ann.sync()
        merged = [("ann", "one of ann"), ("Rita", "TWO"), ("Old", "three"), ("Old", "four"), ("ben", "five of ben")]
        assert credits(ann, "README.md") == merged == credits(ben, "README.md")
        ann.sh("sed -i 's/three/three now/' README.md; git -c user.name=ben commit -q -am mine; echo six >>README.md; "
               "echo a >new")
        mine = merged.copy()
        mine[2:3] = [(None, "three now")]
        mine.append((None, "six"))
        assert credits(ann, "README.md") == mine
        assert credits(ann, "new") == [(None, "a")]
        text = ann.cli("credit", "README.md").stdout
        assert text.count("not synced") == 2 and text.splitlines()[0].startswith("ann ")
        assert ann.cli("credit", "--stat", "README.md").stdout.split()[:2] == ["not", "synced"]
        share = json.loads(ann.cli("credit", "--stat", "--json", "README.md").stdout)
        assert {s.get("author"): s["lines"] for s in share} == {None: 2, "ann": 1, "ben": 1, "Rita": 1, "Old": 1}
        ann.sync()
        # What came as an own commit is the sender's, whatever the commit said.
        assert credits(ann, "README.md")[2] == ("ann", "three now")
        ann.sh("git mv README.md docs.md; mkdir sub")
        ann.sync()
        assert credits(ann, "../docs.md", cwd=ann.tree / "sub")[:3] == [merged[0], merged[1], ("ann", "three now")]
        assert credits(ann, str(ann.tree / "docs.md"))[4] == ("ben", "five of ben")
        missing = ann.cli("credit", "README.md", check=False)
        assert missing.returncode == 4 and missing.stdout == ""
        assert ann.cli("credit", check=False).returncode == 2
