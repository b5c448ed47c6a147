"""A session of several people without a server and without SSH: a local agent, a private worktree
for each person, and the real `steadystate` run in it as they would run it."""

import contextlib
import json
import os
import pathlib
import subprocess

import agentlib
import steady

CLI = steady.BUILD / "steadystate"


def make_origin(place, account, files=None, script=None):
    """A bare repository with one commit: files {path: text or bytes}, then a shell script."""
    bare, work = place / "proj.git", place / "seed"
    steady.git("init", "-q", "--bare", "-b", "main", bare)
    steady.git("init", "-q", "-b", "main", work)
    for name, content in (files or {"README.md": "one\ntwo\nthree\n"}).items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if script:
        steady.run("sh", "-ec", script, cwd=work)
    steady.git("add", "-A", cwd=work)
    steady.git("commit", "-q", "--allow-empty", "-m", "first", cwd=work)
    steady.git("push", "-q", bare, "HEAD:main", cwd=work)
    steady.run("chown", "-R", account, bare)
    return bare


class Member:
    """One person: the worktree as `tree`, commands as they would type them."""

    def __init__(self, session, key):
        self.session, self.key = session, key
        session.agent.ssh.run(key, "true")  # makes the worktree
        frames = session.agent.sock()
        answer = frames.ask("login", login=key.login, provider=key.provider)
        frames.close()
        self.login = key.login
        self.tree = pathlib.Path(answer["worktree"])
        self.home = pathlib.Path(answer["home"])
        self.env = {"PATH": f"{steady.BUILD}:/usr/local/bin:/usr/bin:/bin", "HOME": str(self.home), **answer["env"]}
        self.env["PATH"] = f"{steady.BUILD}:/usr/local/bin:/usr/bin:/bin"

    def account(self):
        account = self.session.agent.account
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    def run(self, *argv, **keywords):
        keywords.setdefault("cwd", self.tree)
        keywords.setdefault("env", self.env)
        return steady.run(*argv, **self.account(), **keywords)

    def cli(self, *argv, **keywords):
        return self.run(CLI, *argv, **keywords)

    def start(self, *argv, **keywords):
        return subprocess.Popen([str(CLI), *argv], cwd=self.tree, env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **self.account(),
                                **keywords)

    def sync(self, *argv, **keywords):
        """The result of `sync --json`."""
        return json.loads(self.cli("sync", "--json", *argv, **keywords).stdout)

    def sh(self, script, **keywords):
        return self.run("sh", "-ec", script, **keywords).stdout

    def git(self, *argv, **keywords):
        return self.run("git", *argv, **keywords).stdout

    def status(self):
        return self.git("status", "--porcelain", "-z")

    def write(self, name, content):
        path = os.fsencode(self.tree) + b"/" + (name if isinstance(name, bytes) else name.encode())
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        self.own()

    def own(self):
        account = self.session.agent.account
        for directory, names, files in os.walk(os.fsencode(self.tree)):
            for one in (*names, *files):
                full = os.path.join(directory, one)
                if os.lstat(full).st_uid == 0:
                    os.lchown(full, account.pw_uid, account.pw_gid)

    def read(self, name):
        return (self.tree / name).read_text()

    def files(self):
        """{path: (kind, content)} of the worktree without .git."""
        found = {}
        root = os.fsencode(self.tree)
        for directory, names, files in os.walk(root):
            if b".git" in names and directory == root:
                names.remove(b".git")
            for one in (*files, *[n for n in names if os.path.islink(os.path.join(directory, n))]):
                full = os.path.join(directory, one)
                path = full[len(root) + 1:]
                if os.path.islink(full):
                    found[path] = ("link", os.readlink(full))
                else:
                    with open(full, "rb") as f:
                        found[path] = ("exec" if os.access(full, os.X_OK) and os.stat(full).st_mode & 0o100
                                       else "file", f.read())
        return found


class SyncSession:
    def __init__(self, place, account, origin, logins=("ann", "ben"), **members):
        self.place, self.origin = place, origin
        keys = [agentlib.Key(place, login) for login in logins]
        self.agent = agentlib.LocalAgent(place, keys, origin, account, **members).ready()
        self.branch = self.agent.spec["session_branch"]
        self.canonical = self.agent.root / "canonical"
        self.people = [Member(self, key) for key in keys]

    def head(self):
        return steady.git("-C", self.canonical, "rev-parse", f"refs/heads/{self.branch}").strip()

    def show(self, path):
        return steady.git("-C", self.canonical, "show", f"refs/heads/{self.branch}:{path}")

    def fsck(self):
        steady.git("-C", self.canonical, "fsck", "--strict", "--no-dangling")

    def settle(self):
        """Everybody syncs until nobody has anything new; all worktrees are the same and clean."""
        for _ in range(3):
            for person in self.people:
                person.sync()
        for person in self.people:
            assert person.status() == "", (person.login, person.status())
            assert person.git("rev-parse", "HEAD").strip() == self.head()
        first = self.people[0].files()
        return first

    def close(self):
        self.agent.close()


@contextlib.contextmanager
def session(place, account, files=None, script=None, **keywords):
    made = SyncSession(place, account, make_origin(place, account, files, script), **keywords)
    try:
        yield made
    finally:
        made.close()
