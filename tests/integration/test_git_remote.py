"""Covers: the session as a git remote, by plain git over SSH with a laptop's own configuration: clone,
paths, pushes that continue the branch, that do not, of other authors, from old and shallow clones, at
the same time; overlaps told to the pusher; what is refused; nothing left behind, nothing writable.
Not covered: the merge itself (tests/unit/merge), pushes on agent.sock (test_agent_local)."""

import contextlib
import json
import os
import re
import shlex
import subprocess

import pytest

import agentlib
import engines
import steady
import synclib

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="starts agents as another account")


class Laptop:
    """A clone on somebody's own machine."""

    def __init__(self, agent, place, key, name=None, email=None):
        self.agent, self.key, self.place = agent, key, place
        self.tree = place / f"laptop-{key.login}"
        ssh = ["ssh", *key.options(agent.ssh.known_hosts)]
        self.env = {"PATH": os.environ["PATH"], "HOME": str(place / "nobody"), "GIT_SSH_COMMAND": shlex.join(ssh),
                    "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": name or key.login,
                    "GIT_COMMITTER_NAME": name or key.login, "LC_ALL": "C"}
        self.env["GIT_AUTHOR_EMAIL"] = self.env["GIT_COMMITTER_EMAIL"] = email or self.own_email()

    def own_email(self):
        text = self.agent.ssh.out(self.key, "git config user.email")
        return text.strip()

    def url(self, path):
        return f"ssh://{self.agent.ssh.user}@127.0.0.1:{self.agent.port}{path}"

    def git(self, *argv, **keywords):
        keywords.setdefault("cwd", self.tree)
        keywords.setdefault("env", self.env)
        return steady.run("git", *argv, **keywords)

    def out(self, *argv, **keywords):
        return self.git(*argv, **keywords).stdout.strip()

    def clone(self, path="/proj", *options):
        self.git("clone", "-q", *options, self.url(path), self.tree, cwd=self.place)
        return self

    def commit(self, message="work", **files):
        for name, text in files.items():
            (self.tree / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.head()

    def head(self):
        return self.out("rev-parse", "HEAD")

    def push(self, *argv, check=True):
        """What the pusher reads."""
        done = self.git("push", *argv, check=check)
        assert check or done.returncode != 0
        return done.stderr


@pytest.fixture
def session_of(place, local_account):
    with contextlib.ExitStack() as ends:
        yield lambda *files, **keywords: ends.enter_context(
            synclib.session(place, local_account, *files, **keywords))


@pytest.fixture
def session(session_of):
    return session_of({"README.md": "one\ntwo\nthree\nfour\n", "x.py": "x = 1\n"})


def laptop_of(session, person, **keywords):
    return Laptop(session.agent, session.place, person.key, **keywords)


def left_behind(person):
    return [p.name for p in (person.home / ".worktree").glob("push-*")]


def test_clone_work_push_and_everybody_has_it(session):
    ann, ben = session.people
    laptop = laptop_of(session, ann).clone()
    assert laptop.out("symbolic-ref", "HEAD") == f"refs/heads/{session.branch}"
    assert (laptop.tree / "README.md").read_text() == "one\ntwo\nthree\nfour\n"
    first = laptop.commit("first", new="n\n")
    last = laptop.commit("second", new="n\nm\n")
    told = laptop.push()
    # Own commits on the head are taken as they are: no pull is needed, and the other end knows it.
    assert session.head() == last and laptop.out("rev-parse", "@{u}") == last
    assert "remote: In the session" in told and "git pull" not in told
    assert f"{laptop.out('rev-parse', '--short', last + '~2')}..{laptop.out('rev-parse', '--short', last)}" in told
    assert ben.sync()["received"] == [{"file": "new", "change": "A"}] and ben.read("new") == "n\nm\n"
    ann.sync()
    assert ann.read("new") == "n\nm\n" and ann.status() == ""
    log = [json.loads(line) for line in (session.agent.root / "sync-log").read_text().splitlines()]
    assert [(line["user"], line["commit"]) for line in log] == [("ann", first), ("ann", last)]
    assert "Nothing new" in laptop.push()
    assert left_behind(ann) == []
    session.fsck()


def test_a_push_that_does_not_continue_the_branch_is_merged(session):
    ann, ben = session.people
    laptop = laptop_of(session, ann).clone()
    ben.write("README.md", "ONE\ntwo\nthree\nfour\n")
    ben.write("x.py", "x = 2\n")
    ben.sync()
    before = session.head()
    pushed = laptop.commit(**{"README.md": "one\ntwo\nthree\nFOUR\n", "x.py": "x = 3\n"})
    told = laptop.push()
    assert "remote: 1 overlap to look at; both versions are kept:" in told
    assert re.search(r"remote: +x\.py: both", told), told
    assert "remote: Run 'git pull' to have the merge here." in told
    assert session.show("README.md") == "ONE\ntwo\nthree\nFOUR\n" and session.show("x.py") == "x = 2\nx = 3\n"
    parents = steady.git("-C", session.canonical, "log", "-1", "--format=%P%n%an%n%s%n%b", session.branch).splitlines()
    assert parents[0].split() == [before, pushed] and parents[1] == "ann" and parents[2] == "sync: 2 files by ann"
    assert "Steadystate-Overlap: x.py:1:2 both_rewrote" in parents
    last = json.loads((session.agent.root / "sync-log").read_text().splitlines()[-1])
    assert last["user"] == "ann" and last["overlaps"][0]["with"] == ["ben"]
    # The place is on the pusher's list in the session, too.
    assert json.loads(ann.cli("conflicts", "--json").stdout)[0]["file"] == "x.py"
    laptop.git("pull", "-q", "--ff-only")
    assert laptop.head() == session.head()
    assert session.settle()[b"x.py"] == ("file", b"x = 2\nx = 3\n")
    laptop.commit(again="a\n")
    assert "In the session" in laptop.push()


def test_commits_of_other_authors_become_a_second_parent(session):
    ann, _ben = session.people
    laptop = laptop_of(session, ann, name="Ann Example", email="ann@example.org").clone()
    before, pushed = session.head(), laptop.commit(new="n\n")
    assert "git pull" in laptop.push()
    assert steady.git("-C", session.canonical, "log", "-1", "--format=%P %an", session.branch) == \
        f"{before} {pushed} ann\n"
    assert steady.git("-C", session.canonical, "log", "-1", "--format=%ae", pushed) == "ann@example.org\n"


def test_force_amend_and_shallow_clones_are_merged_too(session):
    ann, ben = session.people
    laptop = laptop_of(session, ann).clone()
    laptop.commit(a="1\n")
    laptop.push()
    ben.sync()
    ben.write("b", "b\n")
    ben.sync()
    laptop.git("commit", "-q", "--amend", "-m", "amended")
    (laptop.tree / "a").write_text("2\n")
    laptop.git("commit", "-q", "-a", "--amend", "-m", "amended")
    laptop.push("--force")
    assert session.show("b") == "b\n" and "2\n" in session.show("a")
    shallow = laptop_of(session, ben).clone("/proj", "--depth=1")
    ann.write("c", "c\n")
    ann.sync()
    shallow.commit(d="d\n")
    shallow.push()
    assert session.show("d") == "d\n" and session.show("c") == "c\n"
    session.fsck()


def test_what_is_not_the_session_branch_is_refused_in_a_sentence(session):
    ann, _ben = session.people
    laptop = laptop_of(session, ann).clone()
    before = session.head()
    laptop.commit(new="n\n")
    laptop.git("tag", "v1")
    for refspec in ("HEAD:refs/heads/main", "v1", "HEAD:refs/heads/steadystate/collab/other", "HEAD:refs/x/y"):
        told = laptop.push("origin", refspec, check=False)
        assert f"only the session branch {session.branch} can be pushed" in told
    assert laptop.git("push", "origin", f":{session.branch}", check=False).returncode != 0
    assert session.head() == before
    refs = steady.git("-C", session.canonical, "for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags").split()
    assert refs == [f"refs/heads/{session.branch}"]
    # One of several: the branch is taken, the rest is refused.
    told = laptop.push("origin", "HEAD", "v1", check=False)
    assert session.head() == laptop.head() and "only the session branch" in told
    # A tree that no worktree can hold.
    blob = laptop.out("hash-object", "-w", "README.md")
    bad = laptop.git("mktree", input=f"100644 blob {blob}\t.git\n", check=False)
    assert bad.returncode == 0, bad.stderr
    commit = laptop.out("commit-tree", "-p", "HEAD", "-m", "bad", bad.stdout.strip())
    before = session.head()
    assert "[remote rejected]" in laptop.push("origin", f"{commit}:refs/heads/{session.branch}", check=False)
    assert session.head() == before and left_behind(ann) == []


def test_paths_that_mean_the_session(session):
    laptop = laptop_of(session, session.people[0])
    for path in ("/proj", "/proj.git/", "/~/proj", "/", "/~/", str(session.canonical)):
        assert laptop.out("ls-remote", laptop.url(path), "HEAD", cwd=session.place).split()[0] == session.head()


def test_other_repositories_of_a_person_are_reached_as_ever(session):
    ann, _ben = session.people
    laptop = laptop_of(session, ann)
    ann.git("init", "-q", "--bare", "-b", "main", ann.home / "own.git")
    laptop.git("clone", "-q", laptop.url(f"{ann.home}/own.git"), laptop.tree, cwd=session.place)
    laptop.git("checkout", "-q", "-b", "main")
    laptop.commit(f="f\n")
    laptop.push("origin", "main")
    assert ann.git("-C", ann.home / "own.git", "rev-parse", "main").strip() == laptop.head()
    done = laptop.git("ls-remote", laptop.url("/nothing"), check=False, cwd=session.place)
    assert done.returncode != 0 and "does not appear to be a git repository" in done.stderr


def test_pushes_and_syncs_at_the_same_time_lose_nothing(session):
    ann, ben = session.people
    laptops = [laptop_of(session, p).clone() for p in (ann, ben)]
    for i in range(3):
        for laptop in laptops:
            laptop.commit(**{f"{laptop.key.login}{i}": f"{i}\n"})
        ann.write(f"worktree{i}", f"{i}\n")
        running = [subprocess.Popen(["git", "push", "-q"], cwd=x.tree, env=x.env, stderr=subprocess.PIPE)
                   for x in laptops]
        running.append(ann.start("sync"))
        for one in running:
            _, said = one.communicate(timeout=120)
            assert one.returncode == 0, said
    files = session.settle()
    assert {f"{w}{i}".encode() for w in ("ann", "ben", "worktree") for i in range(3)} <= set(files)
    session.fsck()


def test_a_killed_push_leaves_the_old_or_the_new_state(session):
    ann, _ben = session.people
    laptop = laptop_of(session, ann).clone()
    states = {session.head(), laptop.commit(big="x" * 200000 + "\n")}
    for pause in (0.05, 0.2, 0.35):
        with subprocess.Popen(["git", "push", "-q"], cwd=laptop.tree, env=laptop.env, start_new_session=True,
                              stderr=subprocess.DEVNULL) as process:
            try:
                process.wait(pause)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
        assert session.head() in states
    laptop.push()
    assert session.head() == laptop.head()
    steady.wait_for(lambda: (laptop.push(), left_behind(ann) == [])[1], 30, "the killed pushes' leftovers to go")
    session.fsck()


@pytest.mark.parametrize("kind", ["podman", "docker"])
def test_in_a_container_as_the_person(kind, request, place, forge, addresses):
    engine = request.getfixturevalue(kind)
    keys = [agentlib.Key(place, login) for login in ("ann", "ben")]
    url = forge.repository("org/proj", {"README.md": "one\ntwo\n", "x": "1\n"})
    agent = agentlib.ContainerAgent(engine, engines.session_image(engine), place, keys, url, addresses,
                                    allowed_hosts=[forge.host])
    try:
        agent.ready()
        ann, ben = (Laptop(agent, place, key).clone() for key in keys)
        ann.commit(x="2\n")
        assert "In the session" in ann.push()
        ben.commit(x="3\n", y="y\n")
        told = ben.push()
        assert "remote:   x: both" in told
        ann.git("pull", "-q", "--ff-only")
        assert (ann.tree / "x").read_text() == "2\n3\n" and (ann.tree / "y").read_text() == "y\n"
        # Nobody writes what everybody reads, by whichever program.
        for command in ("touch", "git config --file"):
            done = agent.ssh.run(keys[0], f"{command} $CANONICAL_REPO/config x.y z", check=False)
            assert done.returncode != 0
        straight = ann.git("-c", "protocol.version=0", "push", ann.url("/session/repo"), "HEAD:refs/heads/x",
                           check=False)
        assert straight.returncode != 0
        assert agent.ssh.out(keys[0], "ls ~/.worktree | grep -c push- || true") == "0\n"
    finally:
        agent.close()
