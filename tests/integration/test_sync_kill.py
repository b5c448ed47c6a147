"""Covers: kill -9 of the CLI at random points of sync, of the agent during sync, and of a first
checkout; saves made at the moment of the kill. Afterwards the next sync works, every line is there
exactly once, and nothing is left behind.
Not covered: keeper and api (test_story), power loss."""

import os
import random
import signal
import time

import pytest

import steady
import synclib

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="starts agents as another account")

ROUNDS = int(os.environ.get("STEADYSTATE_TEST_KILLS", "60"))


def appended(person, name, line):
    with open(person.tree / name, "a", encoding="utf-8") as f:
        f.write(line + "\n")


def occurrences(files, line):
    return sum(v[1].decode(errors="replace").split("\n").count(line) for k, v in files.items() if v[0] != "link")


def test_cli_killed(place, local_account):
    seed = int(os.environ.get("STEADYSTATE_TEST_SEED", random.randrange(10**9)))
    print("STEADYSTATE_TEST_SEED", seed)
    chance = random.Random(seed)
    files = {f"f{i}": f"start {i}\n" + "x\n" * 50 + "end\n" for i in range(30)}
    files["run.bat"] = "a\r\n"
    files[".gitattributes"] = "*.bat text eol=crlf\n"
    with synclib.session(place, local_account, files) as s:
        ann, ben = s.people
        start = time.monotonic()
        ann.sync()
        usual = time.monotonic() - start
        lines, killed = [], 0
        for i in range(ROUNDS):
            for k in chance.sample(range(30), 8):
                lines.append(f"ben {i} {k}")
                appended(ben, f"f{k}", lines[-1])
            ben.sh(f"printf 'ben {i}\\r\\n' >>run.bat; echo {i} >new{i}; rm -f new{i - 2}")
            ben.sync()
            for k in chance.sample(range(30), 8):
                lines.append(f"ann {i} {k}")
                text = ann.read(f"f{k}")
                (ann.tree / f"f{k}").write_text(text.replace("start", lines[-1] + "\nstart", 1))
            process = ann.start("sync")
            deadline = time.monotonic() + chance.uniform(0, usual * 1.2)
            while time.monotonic() < deadline and process.poll() is None:
                if chance.random() < 0.05:
                    lines.append(f"ann during {i} {len(lines)}")
                    appended(ann, f"f{chance.randrange(30)}", lines[-1])
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
            if chance.random() < 0.5:
                lines.append(f"ann after {i}")
                appended(ann, f"f{chance.randrange(30)}", lines[-1])
            if chance.random() < 0.3:
                continue  # two kills in a row
            ann.sync()
            assert not list((ann.tree / ".git/steadystate").glob("tmp/*"))
        assert killed > ROUNDS / 4
        files = s.settle()
        for line in lines:
            assert occurrences(files, line) == 1, line
        assert occurrences(files, "start 3") == 1
        assert (ann.tree / "run.bat").read_bytes().count(b"\r\n") == ROUNDS + 1
        assert ann.files() == ben.files()
        s.fsck()
        ann.git("fsck", "--strict", "--no-dangling")


def test_failed_twice(place, local_account):
    """The refresh of one sync fails half way, the push of the next fails: each line stays one line."""
    with synclib.session(place, local_account, {f"{d}/f": "start\n" for d in "az"}) as s:
        ann, ben = s.people
        lines = []

        def edit(person, word):
            for d in "az":
                lines.append(f"{word} {d}")
                appended(person, f"{d}/f", lines[-1])

        edit(ben, "ben 1")
        ben.sync()
        edit(ann, "ann 1")
        (ann.tree / "z").chmod(0o555)
        assert ann.cli("sync", check=False).returncode != 0
        (ann.tree / "z").chmod(0o755)
        assert "ben 1 a" in ann.read("a/f") and "ben 1 z" not in ann.read("z/f")
        edit(ann, "ann 2")
        s.canonical.chmod(0o555)
        assert ann.cli("sync", check=False).returncode != 0
        s.canonical.chmod(0o755)
        edit(ben, "ben 2")
        ben.sync()
        edit(ann, "ann 3")
        ann.sync()
        files = s.settle()
        for line in lines:
            assert occurrences(files, line) == 1, line
        s.fsck()


def test_edited_after_half_a_refresh(place, local_account):
    """A file that arrived, and was edited, before its sync failed: what others wrote in it stays one line, and so
    does what they add right behind it in the meantime."""
    with synclib.session(place, local_account, {f"{d}/f": "start\n" for d in "az"}) as s:
        ann, ben = s.people
        for d in "az":
            appended(ben, f"{d}/f", f"ben 1 {d}")
        ben.sync()
        appended(ann, "own", "ann")
        (ann.tree / "z").chmod(0o555)
        assert ann.cli("sync", check=False).returncode != 0
        (ann.tree / "z").chmod(0o755)
        assert "ben 1 a" in ann.read("a/f") and "ben 1 z" not in ann.read("z/f")
        for d in "az":
            appended(ann, f"{d}/f", f"written after the failure in {d}")
            appended(ben, f"{d}/f", f"ben 2 {d}")
        ben.sync()
        ann.sync()
        files = s.settle()
        for d in "az":
            for line in (f"ben 1 {d}", f"ben 2 {d}", f"written after the failure in {d}"):
                assert occurrences(files, line) == 1, line
        s.fsck()


def test_agent_killed(place, local_account):
    chance = random.Random(7)
    with synclib.session(place, local_account, {"f": "start\n"}) as s:
        ann, ben = s.people
        lines = []
        for i in range(8):
            lines.append(f"ann {i}")
            appended(ann, "f", lines[-1])
            process = ann.start("sync")
            time.sleep(chance.uniform(0, 0.15))
            s.agent.kill()
            process.communicate()
            s.agent.ready()
            ann.sync()
        lines.append("ben")
        ben.sync()
        appended(ben, "f", "ben")
        files = s.settle()
        for line in lines:
            assert occurrences(files, line) == 1, line
        assert not list(s.canonical.glob("quarantine-*"))
        s.fsck()


def test_lock_left_by_a_killed_agent(place, local_account):
    with synclib.session(place, local_account, {"f": "start\n"}) as s:
        ann = s.people[0]
        s.agent.kill()
        (branch,) = [x for x in (s.canonical / "refs/heads").rglob("*") if x.is_file()]
        branch.with_name(branch.name + ".lock").touch()
        s.agent.ready()
        appended(ann, "f", "after")
        ann.sync()
        assert occurrences(s.settle(), "after") == 1


def test_checkout_killed(place, local_account):
    """The wrapper's process dies during the first login; the next login finishes the worktree."""
    files = {f"d{i // 50}/f{i}": f"{i}\n" * 20 for i in range(3000)}
    chance = random.Random(3)
    logins = ["ann", *[f"u{i}" for i in range(6)]]
    origin = synclib.make_origin(place, local_account, files)
    agent = synclib.agentlib.LocalAgent(place, [synclib.agentlib.Key(place, x) for x in logins], origin,
                                        local_account).ready()
    try:
        for key in agent.people:
            process = agent.ssh.start(key, "true")
            marker = agent.root / "home" / key.login / ".worktree/steadystate.json"
            steady.wait_for(lambda: marker.exists() or process.poll() is not None, 20, "the first checkout")
            time.sleep(chance.uniform(0, 0.2))
            for pid in synclib.agentlib.descendants(agent.process.pid):
                try:
                    with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
                        if f.read().startswith("steadystate-wra"):
                            os.kill(pid, signal.SIGKILL)
                except (FileNotFoundError, ProcessLookupError):
                    pass
            process.communicate(timeout=30)
            out = agent.ssh.out(key, "git status --porcelain; git ls-files | wc -l; git rev-parse HEAD")
            assert out.split()[0] == "3000"
    finally:
        agent.close()
