"""Covers: sync between people with the real agent (local provider) and the real CLI: losses of
reference 1-9, 11 and 13 as far as one machine account can show them; own commits, staged-only
content, half-done rebase and merge; conversions (eol, encoding, filter, LFS pointer); publish to a
remote that moved; dry run, status, diff, credit.
Not covered: containers and uids (test_story), random work of many people (test_sync_random), kills
(test_sync_kill)."""

import contextlib
import json
import os
import subprocess

import pytest

import steady
import synclib

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="starts agents as another account")


@pytest.fixture
def session_of(place, local_account):
    with contextlib.ExitStack() as ends:
        yield lambda *files, **keywords: ends.enter_context(
            synclib.session(place, local_account, *files, **keywords))


def test_two_people(session_of):
    s = session_of()
    ann, ben = s.people
    ann.write("README.md", "ONE\ntwo\nthree\n")
    ann.write("new/a.txt", "a\n")
    ben.write("README.md", "one\ntwo\nTHREE\n")
    (ben.tree / "b.txt").write_text("b\n")
    ben.own()
    first = ann.sync()
    assert first["committed"] and {f["file"] for f in first["sent"]} == {"README.md", "new/a.txt"}
    second = ben.sync()
    assert {f["file"] for f in second["received"]} == {"README.md", "new/a.txt"}
    assert second["overlaps"] == []
    assert ben.read("README.md") == "ONE\ntwo\nTHREE\n"
    # git reads a file that is as young as the index, so nothing saved while a sync ran is overlooked
    assert (ben.tree / ".git/index").stat().st_mtime_ns <= (ben.tree / "README.md").stat().st_mtime_ns
    assert ben.status() == ""
    third = ann.sync()
    assert not third["committed"] and ann.read("b.txt") == "b\n"
    assert ann.files() == ben.files()
    assert ann.sync() == {**third, "received": [], "head": s.head()}
    s.fsck()
    log = steady.git("-C", s.canonical, "log", "--format=%an <%ae> %cn%n%B", s.branch, "-2")
    assert "ann <ann@" in log and "ben <ben@" in log and "SteadyState" in log
    assert f"Steadystate-Session: {s.agent.spec['id']}" in log
    lines = [json.loads(x) for x in (s.agent.root / "sync-log").read_text().splitlines()]
    assert lines[0]["user"] == "ann"
    assert {"file": "README.md", "lines": "1:1"} in lines[0]["changes"]


def test_overlap_keeps_both(session_of):
    s = session_of({"x.py": "x = 1\n", "keep": "k\n"})
    ann, ben = s.people
    ann.write("x.py", "x = 2\n")
    ben.write("x.py", "x = 3\n")
    ann.sync()
    result = ben.sync()
    assert ben.read("x.py") == "x = 2\nx = 3\n"
    assert [o["file"] for o in result["overlaps"]] == ["x.py"]
    last = json.loads((s.agent.root / "sync-log").read_text().splitlines()[-1])
    assert last["overlaps"][0]["file"] == "x.py" and last["overlaps"][0]["with"] == ["ann"]
    assert "Steadystate-Overlap: x.py:1:2" in steady.git("-C", s.canonical, "log", "-1", "--format=%B", s.branch)


def test_every_kind_of_file(session_of):
    s = session_of(script="""
        mkdir -p .github dir/sub; echo '*.o' >.gitignore; echo '[x]' >.gitmodules; echo w >.github/w
        echo '* text=auto' >.gitattributes; echo '#!/bin/sh' >run; chmod +x run; ln -s dir/sub link
        echo u >'ümläut'; echo d >./-dash; printf x >'new
line'; echo s >'sp ace'; echo 1 >dir/sub/f; printf '\\0bin' >bin""")
    ann, ben = s.people
    ben.write("secret.o", "ignored\n")
    before = ann.files()
    assert before == {k: v for k, v in ben.files().items() if k != b"secret.o"}
    ann.sh("""mkdir empty; echo more >>'ümläut'; chmod -x run; chmod +x dir/sub/f; rm link; ln -s run link
        mv 'sp ace' 'other name'; rm ./-dash; echo y >>'new
line'; printf '\\0bin2' >bin; echo z >dir/z; ln -s nowhere broken""")
    ann.sync()
    ben.sync()
    assert ann.files() == {k: v for k, v in ben.files().items() if k != b"secret.o"}
    assert ben.read("secret.o") == "ignored\n"
    assert (ann.tree / "empty").is_dir() and not (ben.tree / "empty").exists()
    assert os.readlink(ben.tree / "link") == "run" and os.readlink(ben.tree / "broken") == "nowhere"
    assert not os.access(ben.tree / "run", os.X_OK) or not os.stat(ben.tree / "run").st_mode & 0o100
    assert ben.status() == "" and ann.status() == ""
    assert "secret.o" not in steady.git("-C", s.canonical, "ls-tree", "-r", "--name-only", s.branch)
    for name in (".gitignore", ".gitattributes", ".gitmodules", ".github/w"):
        assert (ben.tree / name).exists()
    # a file becomes a directory and back
    ann.sh("rm -r dir; echo now a file >dir; rm run; mkdir run; echo x >run/x")
    ann.sync()
    ben.sync()
    assert ann.files() == {k: v for k, v in ben.files().items() if k != b"secret.o"}
    ben.sh("rm dir; mkdir -p dir/sub; echo 2 >dir/sub/g; rm -r run; echo f >run")
    ben.sync()
    ann.sync()
    assert ann.files() == {k: v for k, v in ben.files().items() if k != b"secret.o"}


def test_conflicts_without_text(session_of):
    s = session_of({"bin": b"\0one", "gone": "some\nother text\n", "big": "x" * 100 + "\n"})
    ann, ben = s.people
    ann.write("bin", b"\0ann")
    ben.write("bin", b"\0ben")
    ann.sh("rm gone; echo a >both; seq 300000 >big")
    ben.sh("echo c >>gone; echo b >both; seq 2 300000 >big")
    ann.sync()
    result = ben.sync()
    assert {o["file"] for o in result["overlaps"]} >= {"bin", "gone", "both"}
    files = s.settle()
    contents = b"\n".join(v[1] for v in files.values() if isinstance(v[1], bytes))
    for kept in (b"\0ann", b"\0ben", b"some\nother text\nc\n"):
        assert kept in contents
    assert sorted(files[b"both"][1].split()) == [b"a", b"b"]


def test_publish_never_reverts(session_of):
    s = session_of()
    ann, ben = s.people
    ann.write("a", "ann\n")
    ann.sync()
    ben.write("b", "ben\n")
    out = json.loads(ben.cli("publish", "--json").stdout)
    assert out["branch"] == s.branch and out["commit"] == s.head()
    show = lambda path: steady.git("-C", s.origin, "show", f"refs/heads/{s.branch}:{path}")
    assert show("a") == "ann\n" and show("b") == "ben\n"
    # the remote moves: merged in, never forced
    ben.sh(f"""git clone -q -b {s.branch} {s.origin} ~/other; cd ~/other; echo r >remote; git add -A
        git -c user.name=x -c user.email=x@y commit -qm elsewhere; git push -q origin {s.branch}""")
    ann.write("c", "more\n")
    ann.cli("publish")
    assert (show("remote"), show("c"), show("b")) == ("r\n", "more\n", "ben\n")
    assert ann.read("remote") == "r\n"
    s.settle()


def test_own_commits(session_of):
    s = session_of()
    ann, ben = s.people
    ann.sh("echo 1 >one; git add one; git commit -qm 'my one'; echo 2 >two; git add two; git commit -qm 'my two';"
           "echo 3 >three")
    mine = ann.git("rev-parse", "HEAD").strip()
    ben.write("ben", "b\n")
    ben.sync()
    result = ann.sync()
    assert result["saved"]
    parents = steady.git("-C", s.canonical, "log", "-1", "--format=%P", s.branch).split()
    assert parents[1] == mine
    assert ann.status() == "" and ann.read("ben") == "b\n"
    assert "my one" in steady.git("-C", s.canonical, "log", "--format=%s", s.branch)
    ben.sync()
    assert ben.read("three") == "3\n"
    # amended after a sync, and an older commit checked out: nobody's work is reverted
    ann.sh("git commit -q --amend -m amended --allow-empty")
    ann.write("four", "4\n")
    ann.sync()
    ben.write("ben", "b\nb2\n")
    ben.sync()
    ann.sync()
    ann.sh("git reset -q --hard HEAD~1")
    assert ann.read("ben") == "b\n"
    ann.sync()
    assert ann.read("ben") == "b\nb2\n" and s.show("ben") == "b\nb2\n"
    s.settle()
    s.fsck()


def test_staged_only(session_of):
    s = session_of({"f": "base\n"})
    ann = s.people[0]
    ann.sh("echo staged >f; git add f; echo worktree >f; echo only >g; git add g; rm g")
    saved = ann.sync()["saved"]
    assert s.show("f") == "worktree\n" and ann.status() == ""
    assert ann.git("show", f"{saved}:f") == "staged\n" and ann.git("show", f"{saved}:g") == "only\n"
    assert saved in ann.git("for-each-ref", "--format=%(objectname)", "refs/steadystate/saved/")


@pytest.mark.parametrize("what", ["merge", "rebase", "cherry-pick", "stash"])
def test_unfinished_business(session_of, what):
    s = session_of({"f": "base\n"})
    ann = s.people[0]
    ann.sh("git checkout -qb side; echo side >f; git commit -qam side; git checkout -q -; echo main >f;"
           "git commit -qam main")
    if what == "stash":
        ann.sh("echo x >f; git stash -q; echo y >f; git commit -qam y; git stash pop || true")
    else:
        ann.sh(f"git {what} side || true")
    before, head = ann.files(), s.head()
    done = ann.cli("sync", check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert ("conflicts" if what == "stash" else what) in done.stderr
    assert ann.files() == before and s.head() == head
    ann.sh("git reset -q --hard" if what == "stash" else f"git {what} --abort")
    ann.sync()


def test_conversions(session_of):
    s = session_of(script="""
        printf '*.bat text eol=crlf\\n*.u16 text working-tree-encoding=UTF-16LE\\n*.up filter=up\\n*.lfs filter=lfs -text\\n' >.gitattributes
        printf 'a\\r\\nb\\r\\n' >run.bat; printf 'h\\0i\\0' >w.u16; echo lower >x.up
        printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:00\\nsize 1\\n' >m.lfs""")
    ann, ben = s.people
    for person in (ann, ben):
        person.git("config", "filter.up.clean", "tr A-Z a-z")
        person.git("config", "filter.up.smudge", "tr a-z A-Z")
    ann.sh("printf 'a\\r\\nB\\r\\nc\\r\\n' >run.bat; printf 'h\\0o\\0' >w.u16; echo NEW >y.up; echo MORE >>x.up;"
           "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:11\\nsize 1\\n' >m.lfs")
    ann.sync()
    assert s.show("run.bat") == "a\nB\nc\n" and s.show("w.u16") == "ho" and s.show("y.up") == "new\n"
    ben.sync()
    assert (ben.tree / "run.bat").read_bytes() == b"a\r\nB\r\nc\r\n"
    assert (ben.tree / "w.u16").read_bytes() == b"h\0o\0"
    assert ben.read("y.up") == "NEW\n" and ben.read("x.up") == "LOWER\nMORE\n"
    assert "sha256:11" in ben.read("m.lfs")
    assert ben.status() == "" and ann.status() == ""
    # attributes that come in with the same sync count for the files that come with them
    ann.sh("echo '*.cr eol=crlf' >>.gitattributes; printf 'q\\r\\n' >q.cr")
    ann.sync()
    ben.sync()
    assert (ben.tree / "q.cr").read_bytes() == b"q\r\n" and ben.status() == ""


def test_submodule_and_blockers(session_of):
    s = session_of({"f": "x\n", ".gitignore": "build\n"})
    ann, ben = s.people
    ann.sh("git init -q sub; cd sub; git config user.name a; git config user.email a@b; git commit -qm s --allow-empty")
    ann.sync()
    assert "160000" in steady.git("-C", s.canonical, "ls-tree", s.branch, "sub")
    ben.sync()
    assert (ben.tree / "sub").is_dir() and ben.status() == ""
    ann.sync()
    # an ignored file of ben's stands where ann's directory comes
    ben.write("build", "precious\n")
    ann.sh("echo >.gitignore; mkdir build; echo b >build/out")
    ann.sync()
    result = ben.sync()
    assert ben.read("build/out") == "b\n"
    kept = [f["file"] for f in result["kept"]]
    assert len(kept) == 1 and (ben.home / kept[0]).read_text() == "precious\n"


def test_home_is_not_shared(session_of):
    s = session_of()
    ann = s.people[0]
    ann.run("sh", "-c", "echo secret >~/.bash_history; echo x >~/.netrc", cwd=ann.home)
    ann.write("f", "1\n")
    ann.sync()
    assert "bash_history" not in steady.git("-C", s.canonical, "ls-tree", "-r", "--name-only", s.branch)


def test_looks_without_touching(session_of):
    s = session_of()
    ann, ben = s.people
    ben.write("README.md", "one\ntwo\nthree\nfour\n")
    ben.write("b", "b\n")
    ben.sync()
    ann.write("README.md", "zero\none\ntwo\nthree\n")
    ann.write("n", "n\n")
    before, head = ann.files(), s.head()
    dry = ann.sync("--dry-run")
    assert {f["file"] for f in dry["sent"]} == {"README.md", "n"}
    assert {f["file"] for f in dry["received"]} == {"README.md", "b"}
    status = json.loads(ann.cli("status", "--json").stdout)
    for told, synced in (("to_send", "sent"), ("to_receive", "received")):
        assert [{"file": f["file"], "change": f["change"]} for f in status[told]] == dry[synced]
    assert "+zero" in ann.cli("diff").stdout and "+++ b/n" in ann.cli("diff").stdout
    assert "+four" in ann.cli("diff", "--incoming").stdout
    credit = json.loads(ann.cli("credit", "--json", "README.md").stdout)
    assert [c.get("author") for c in credit] == [None, "Test", "Test", "Test"]
    assert (ann.files(), s.head()) == (before, head)
    ann.sync()
    credit = json.loads(ann.cli("credit", "--json", "README.md").stdout)
    assert [c["author"] for c in credit] == ["ann", "Test", "Test", "Test", "ben"]
    assert "ann" in ann.cli("credit", "README.md").stdout
    assert ann.cli("credit", "absent", check=False).returncode == 4
    outside = subprocess.run([synclib.CLI, "sync"], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert outside.returncode == 1 and "not inside a session" in outside.stderr


def test_many_at_once(session_of):
    s = session_of(logins=[f"u{i:02}" for i in range(20)])
    for i, person in enumerate(s.people):
        person.write(f"own/{person.login}", f"{i}\n")
        person.write("README.md", person.read("README.md") + f"line of {person.login}\n")
    running = [person.start("sync") for person in s.people]
    for process in running:
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    files = s.settle()
    text = files[b"README.md"][1].decode()
    for person in s.people:
        assert files[f"own/{person.login}".encode()]
        assert text.count(f"line of {person.login}\n") == 1
    for person in s.people:
        assert person.files() == files
    s.fsck()


def test_conflicts_resolve_undo(session_of):
    s = session_of({"x.py": "top\nx = 1\nend\n", "y.py": "y = 1\n", "bin": b"\0a", "gone": "some\nother text\n"})
    ann, ben = s.people
    ann.sh("sed -i 's/x = 1/x = 2/' x.py; echo 'y = 2' >y.py; printf '\\0ann' >bin; rm gone")
    ben.sh("sed -i 's/x = 1/x = 3/' x.py; echo 'y = 3' >y.py; printf '\\0ben' >bin; echo more >>gone")
    ann.sync()
    ben.sync()
    listed = json.loads(ben.cli("conflicts", "--json").stdout)
    assert {o["file"] for o in listed} == {"x.py", "y.py", "bin", "gone"}
    assert "x.py" in ben.cli("conflicts").stdout
    ben.sh("sed -i '1i earlier' x.py")
    ben.cli("resolve", "x.py", "--mine")
    assert ben.read("x.py") == "earlier\ntop\nx = 3\nend\n"
    ben.cli("resolve", "y.py", "--theirs")
    assert ben.read("y.py") == "y = 2\n"
    ben.cli("resolve", "bin", "--mine")
    assert (ben.tree / "bin").read_bytes() == b"\0ben"
    ben.cli("resolve", "gone", "--theirs")
    assert not (ben.tree / "gone").exists()
    assert json.loads(ben.cli("conflicts", "--json").stdout) == []
    assert ben.cli("resolve", "x.py", "--both", check=False).returncode == 4
    assert ben.cli("resolve", "x.py", check=False).returncode == 2
    ben.sync()
    ann.sync()
    files = s.settle()
    assert files[b"x.py"][1] == b"earlier\ntop\nx = 3\nend\n" and b"gone" not in files
    # undo: mine only, for everybody, others' later work and unsynced work stay
    ann.write("x.py", ann.read("x.py") + "ann was here\n")
    ann.write("new", "n\n")
    ann.sync()
    ben.sync()
    ben.write("x.py", "ben first\n" + ben.read("x.py"))
    ben.sync()
    ann.write("unsynced", "u\n")
    done = json.loads(ann.cli("undo", "--json").stdout)
    assert done["undone"]
    files = s.settle()
    assert files[b"x.py"][1] == b"ben first\nearlier\ntop\nx = 3\nend\n"
    assert b"new" not in files and files[b"unsynced"][1] == b"u\n"
    while ann.cli("undo", check=False).returncode == 0:
        pass
    assert ann.cli("undo", check=False).returncode == 4
    files = s.settle()
    assert b"unsynced" not in files and files[b"x.py"][1].startswith(b"ben first\n")
    s.fsck()


def test_resolve_directories_and_what_is_gone(session_of):
    s = session_of({"a": "A\n", "b": "B\n", "d/1": "1\n", "x": "x = 1\n", "y": "y = 1\n", "z": "z\n" * 9})
    ann, ben = s.people
    ann.sh("rm a; mkdir a; echo in >a/in; rm b; ln -s x b; rm -r d; echo dfile >d; echo x = 2 >x; echo y = 2 >y;"
           "mv z zann")
    ben.sh("echo ben >>a; rm b; mkdir b; echo in >b/in; echo ben >d/2; echo x = 3 >x; echo y = 3 >y; mv z zben")
    ann.sync()
    ben.sync()
    ann.sync()
    ann.sh("rm x; mkdir y.d; mv y y.d/y")
    ann.sync()
    ben.sync()
    ben.sh("echo ignored >a/unsynced")
    for name in ("x", "y"):
        done = ben.cli("resolve", name, "--mine", check=False)
        assert done.returncode == 1 and "--both" in done.stderr, done
    ben.cli("resolve", "x", "--both")
    ben.cli("resolve", "y", "--both")
    for name in sorted({o["file"] for o in json.loads(ben.cli("conflicts", "--json").stdout)}):
        ben.cli("resolve", name, "--mine")
    assert json.loads(ben.cli("conflicts", "--json").stdout) == []
    ben.sync()
    files = s.settle()
    assert files == {b"a": ("file", b"A\nben\n"), b"b/in": ("file", b"in\n"),
                     b"d/2": ("file", b"ben\n"), b"y.d/y": ("file", b"y = 2\ny = 3\n"),
                     b"zben": ("file", b"z\n" * 9)}
    assert [p.read_text() for p in (ben.home / ".worktree/kept").glob("*/unsynced")] == ["ignored\n"]


def test_undo_and_publish_tell_what_overlaps(session_of):
    s = session_of({"f": "1\n2\n3\n4\n5\n", "bin": b"\0a", "p": "p = 1\n"})
    ann, ben = s.people
    ann.sh("sed -i s/3/ann/ f; echo new >new; printf '\\0ann' >bin")
    ben.sh("printf '\\0ben' >bin")
    ann.sync()
    ben.sync()
    ben.cli("undo")
    assert json.loads(ben.cli("conflicts", "--json").stdout) == []  # taken back with the sync
    ben.sh("sed -i s/ann/annben/ f; echo more >>new")
    ben.sync()
    told = json.loads(ann.cli("undo", "--json").stdout)["overlaps"]
    assert {o["file"] for o in told} == {"f", "new"}
    assert {o["file"] for o in json.loads(ann.cli("conflicts", "--json").stdout)} == {"f", "new"}
    ann.cli("resolve", "f", "--theirs")
    ann.cli("resolve", "new", "--mine")
    assert ann.read("f") == "1\n2\nannben\n4\n5\n" and not (ann.tree / "new").exists()
    # the published branch moved on: what overlaps is told by publish, and mine is the session's
    ann.cli("publish")
    ben.sh(f"""git clone -q -b {s.branch} {s.origin} ~/other; cd ~/other; echo p = 2 >p
        git -c user.name=x -c user.email=x@y commit -qam elsewhere; git push -q origin {s.branch}""")
    ann.write("p", "p = 3\n")
    assert [o["file"] for o in json.loads(ann.cli("publish", "--json").stdout)["overlaps"]] == ["p"]
    assert [o["file"] for o in json.loads(ann.cli("conflicts", "--json").stdout)] == ["p"]
    ann.cli("resolve", "p", "--mine")
    assert ann.read("p") == "p = 3\n"
    s.settle()
    s.fsck()


def test_what_git_cannot_take(session_of):
    """A repository without a commit inside the worktree, an unreadable file: the rest is synced."""
    s = session_of({"f": "x\n", "g": "y\n"})
    ann = s.people[0]
    ann.sh("git init -q nested; echo n >nested/n; echo z >h; echo secret >u; chmod 0 u; echo q >>f")
    done = ann.cli("sync", "--json")
    assert "left out" in done.stderr and json.loads(done.stdout)["warning"]
    assert s.show("f") == "x\nq\n" and s.show("h") == "z\n"
    assert (ann.tree / "nested/n").exists() and (ann.tree / "u").exists()
    ann.sh("chmod 600 u; rm -rf nested")
    ann.sync()
    assert s.show("u") == "secret\n"


def test_lines_are_neither_doubled_nor_lost(session_of):
    s = session_of({"x": "x = 1\n", "same": "a\nz\n", "empty": "", "words": "one two three\n"})
    ann, ben = s.people
    ann.sh("echo 'x = 2' >x; printf 'a\\nboth\\nz\\n' >same; rm empty; echo 'one three' >words")
    ben.sh("echo 'x = 3' >x; printf 'a\\nboth\\nz\\n' >same; echo 'one 2 three' >words")
    ann.sync()
    ben.sync()
    files = s.settle()
    assert files[b"x"][1] == b"x = 2\nx = 3\n"
    assert files[b"same"][1] == b"a\nboth\nz\n"
    assert b"empty" not in files
    assert b"one 2 three" in files[b"words"][1]
    # the whole history is there: credit goes to who wrote it
    assert ann.git("rev-parse", "--is-shallow-repository").strip() == "false"


def test_empty_origin(place, local_account):
    bare = place / "proj.git"
    steady.git("init", "-q", "--bare", "-b", "main", bare)
    steady.run("chown", "-R", local_account, bare)
    s = synclib.SyncSession(place, local_account, bare)
    try:
        ann, ben = s.people
        ann.write("first", "1\n")
        ann.sync()
        ben.sync()
        assert ben.read("first") == "1\n"
        ben.cli("publish")
        assert steady.git("-C", bare, "show", f"refs/heads/{s.branch}:first") == "1\n"
    finally:
        s.close()


def test_hostile_remote(session_of):
    """Somebody puts `.GIT/hooks/post-checkout` and `..` on the published branch: nobody gets it."""
    s = session_of()
    ann = s.people[0]
    ann.write("a", "1\n")
    ann.cli("publish")
    ann.sh(f"""cd {s.origin}; h=$(echo 'echo pwned' | git hash-object -w --stdin)
        t() {{ printf '%s %s\\0' "$1" "$2"; echo $3 | xxd -r -p; }}
        hooks=$(t 100755 post-checkout $h | git hash-object -t tree -w --stdin --literally)
        dot=$(t 40000 hooks $hooks | git hash-object -t tree -w --stdin --literally)
        bad=$(t 40000 .GIT $dot | git hash-object -t tree -w --stdin --literally)
        git update-ref refs/heads/{s.branch} $(git -c user.name=e -c user.email=e@x commit-tree -p {s.branch} -m x $bad)""")
    ann.write("b", "2\n")
    head = s.head()
    done = ann.cli("publish", check=False)
    assert done.returncode != 0 and "unsafe" in done.stderr, done.stderr
    assert not (ann.tree / ".GIT").exists()
    s.people[1].sync()
    assert not (s.people[1].tree / ".GIT").exists()
    assert ".GIT" not in steady.git("-C", s.canonical, "ls-tree", "-r", "--name-only", s.branch) and head != ""
