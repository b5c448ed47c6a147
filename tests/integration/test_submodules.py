"""Submodules of a private repository, fetched with the session's token.

Covers: submodules at the forge of the session's repository (relative and absolute URL, nested, one repository
at two places, a commit that no branch leads to), there after the first login without a token in reach; those
that are elsewhere, lie, or cannot be had, which cost neither the session nor the token; edits in them, and
a newer commit after a publish. Not covered: the resolver's cases one by one (tests/unit/git/test_gitmodules).
"""

import base64
import http.server
import json
import os
import secrets
import threading

import pytest

import agentlib
import steady
import synclib

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="starts agents as another account")


class Elsewhere:
    """Another host than the forge: what it is asked, with which headers."""

    def __init__(self, address):
        seen = self.seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                seen.append((self.path, dict(self.headers)))
                self.send_error(404)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.url = f"http://{address}:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def elsewhere(forge):
    made = Elsewhere(forge.gateway)
    yield made
    made.close()


def modules(**urls):
    return "".join(f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n' for path, url in urls.items())


def make_family(forge):
    """team/app with lib (relative, with inner in it), again (the same by its URL) and far (off every branch)."""
    token = secrets.token_hex(20)
    forge.repository("team/inner", {"inner.txt": "inner\n"})
    inner = forge.commit("team/inner")
    forge.repository("team/lib", {"lib.txt": "lib\n", ".gitmodules": modules(inner="../inner.git")}, gitlinks={"inner": inner})
    lib = forge.commit("team/lib")
    forge.repository("other/far", {"far.txt": "far\n"})
    far = forge.commit("other/far")
    steady.git("update-ref", "refs/pull/1/head", far, cwd=forge.path("other/far"))
    forge.repository("other/away", {"now.txt": "now\n"})
    steady.git("fetch", "-q", forge.path("other/away"), "+main:main", cwd=forge.path("other/far"))
    forge.repository("team/app", {"README.md": "one\ntwo\n",
                                  ".gitmodules": modules(lib="../lib.git", again=forge.url("team/lib"),
                                                         far="../../other/far.git")},
                     gitlinks={"lib": lib, "again": lib, "far": far})
    forge.configure(private=["team/app", "team/lib", "team/inner", "other/far"], tokens={token: "ann"})
    return token


@pytest.fixture
def open_session(place, local_account, forge):
    made = []

    def make(name, token, logins=("ann", "bob"), hosts=()):
        keys = [agentlib.Key(place, login) for login in logins]
        agent = agentlib.LocalAgent(place, keys, forge.url(name), local_account, allow_local_repos=False,
                                    allowed_hosts=[forge.host, *hosts])
        made.append(agent)
        agent.start()
        agent.hello(token={"host": f"{forge.host}:{forge.port}", "secret": token})
        agent.ctl.event("ready")
        return agent, keys

    yield make
    for agent in made:
        agent.close()


def missing(said):
    """What the first login says that it lacks."""
    lines = [line for line in said.stderr.splitlines() if line.startswith("steadystate: ")]
    assert all(" is not here: " in line for line in lines), lines
    return sorted(line.split()[2] for line in lines)


def log_of(agent):
    agent.log.flush()
    return (agent.place / "agent.log").read_text()


SHOW = "cat lib/lib.txt lib/inner/inner.txt again/lib.txt again/inner/inner.txt far/far.txt"
FILES = "lib\ninner\nlib\ninner\nfar\n"


def test_they_are_there(forge, open_session):
    token = make_family(forge)
    agent, keys = open_session("team/app", token)
    said = agent.ssh.run(keys[1], SHOW)
    assert said.stdout == FILES
    assert missing(said) == []
    # What git makes of them: nothing to do, nothing changed, no address asked.
    asked = len(forge.requests())
    out = agent.ssh.out(keys[1], "git status --porcelain && git submodule status --recursive && "
                                 "git submodule update --init --recursive && git submodule foreach -q --recursive "
                                 "'git status --porcelain; git fsck --connectivity-only --no-dangling 2>&1'")
    lines = out.splitlines()
    assert len(lines) == 5 and all(line.startswith(" ") for line in lines), out
    assert len(forge.requests()) == asked
    # Nothing of the token.
    planted = [token, base64.b64encode(f"x-access-token:{token}".encode()).decode()]
    found = steady.run("grep", "-rlaF", "-D", "skip", "-f", "-", agent.root, input="\n".join(planted), check=False).stdout
    assert found == ""
    assert not [word for word in planted if word in log_of(agent)]


def test_hostile_ones(forge, open_session, elsewhere):
    token = secrets.token_hex(20)
    forge.repository("team/lib", {"lib.txt": "lib\n"})
    lib = forge.commit("team/lib")
    host = f"{forge.host}:{forge.port}"
    names = {
        "other": f"{elsewhere.url}/team/lib.git",
        "user": f"http://{host}@{elsewhere.url.removeprefix('http://')}/team/lib.git",
        "file": f"file://{forge.path('team/lib')}",
        "plain": str(forge.path("team/lib")),
        "ext": "ext::sh -c touch% /tmp/never",
        "ssh": f"ssh://git@{forge.gateway}/team/lib.git",
        "option": "--upload-pack=touch",
        "up": "../../../../../etc",
        "dots": f"http://{host}/team/../team/lib.git",
        "turned": f"http://{host}/team/turned.git",
        "missing": "../missing.git",
    }
    text = modules(good="../lib.git", **names)
    text += '[submodule "../../evil"]\n\tpath = evil\n\turl = ../lib.git\n'
    text += '[submodule "-x"]\n\tpath = minus\n\turl = ../lib.git\n'
    text += '[submodule "away"]\n\tpath = ../away\n\turl = ../lib.git\n'
    links = {path: lib for path in (*names, "good", "evil", "minus")}
    forge.repository("team/app", {".gitmodules": text, "README.md": "x\n"}, gitlinks=links)
    forge.configure(private=["team/app", "team/lib"], tokens={token: "ann"},
                    fault={"kind": "redirect", "match": "team/turned", "location": elsewhere.url + "/team/lib.git/info/refs"})
    agent, keys = open_session("team/app", token, hosts=[forge.gateway])
    said = agent.ssh.run(keys[0], "cat good/lib.txt; ls " + " ".join((*names, "evil", "minus")) + " | grep -v ':$' | grep .", check=False)
    assert said.stdout == "lib\n", said.stdout
    assert missing(said) == sorted([*names, "evil", "minus", "../away"]), said.stderr
    log = log_of(agent)
    for path in names:
        assert f"submodule {path} is not fetched" in log
    assert elsewhere.seen == []
    assert not os.path.exists("/tmp/never")
    assert missing(agent.ssh.run(keys[0], "true")) == []  # said once


def test_a_forge_that_refuses_them(forge, open_session):
    token = make_family(forge)
    forge.configure(fault={"kind": "status", "status": 403, "match": "/lib.git"})
    agent, keys = open_session("team/app", token)
    said = agent.ssh.run(keys[0], "cat far/far.txt; ls lib again")
    assert said.stdout == "far\nagain:\n\nlib:\n"
    assert missing(said) == ["again", "lib"]
    # Whoever has access of their own fetches it by hand.
    forge.configure(fault=None, private=["team/app"])
    assert agent.ssh.out(keys[0], "git submodule -q update --init lib && cat lib/lib.txt") == "lib\n"


def test_nothing_that_people_write_is_fetched(forge, open_session):
    """The token reads more than those who come in: a submodule of theirs is not for it."""
    token = make_family(forge)
    forge.repository("secret/plans", {"plans.txt": "plans\n"})
    forge.configure(private=[*forge.state()["private"], "secret/plans"])
    agent, keys = open_session("team/app", token)
    agent.ssh.run(keys[1], "printf '[submodule \"p\"]\\n\\tpath = p\\n\\turl = ../../secret/plans.git\\n' >> .gitmodules && "
                           f"git update-index --add --cacheinfo 160000,{forge.commit('secret/plans')},p && steadystate sync && "
                           "steadystate publish")
    assert not [r for r in forge.requests() if "secret" in r["path"]]


def test_edits_and_newer_commits(forge, open_session):
    token = make_family(forge)
    agent, keys = open_session("team/app", token)
    ann, bob = keys
    agent.ssh.run(bob, "true")
    # An edit in one stays where it is, and that is said.
    agent.ssh.run(ann, "echo mine >> lib/lib.txt && echo new > lib/new.txt && echo three >> README.md")
    said = agent.ssh.run(ann, "steadystate sync")
    assert "lib" in said.stderr and "not shared" in said.stderr, said
    assert "lib" in json.loads(agent.ssh.out(ann, "steadystate status --json"))["warning"]
    assert agent.ssh.out(ann, "cat lib/lib.txt lib/new.txt") == "lib\nmine\nnew\n"
    assert agent.ssh.out(ann, "git ls-tree -r --name-only HEAD").split() == [".gitmodules", "README.md", "again", "far", "lib"]
    assert agent.ssh.out(bob, "steadystate sync >/dev/null; cat README.md lib/lib.txt") == "one\ntwo\nthree\nlib\n"
    # Somebody has pushed to lib: a person moves to it by own means, everybody has it after a publish.
    work = forge.directory / "work"
    steady.git("clone", "-q", forge.path("team/lib"), work)
    (work / "more.txt").write_text("more\n")
    steady.git("add", "-A", cwd=work)
    steady.git("commit", "-q", "-m", "more", cwd=work)
    steady.git("push", "-q", "origin", "HEAD:main", cwd=work)
    newer = forge.commit("team/lib")
    own = forge.url("team/lib").replace("://", f"://x:{token}@")
    agent.ssh.run(bob, f"cd again && git fetch -q {own} main && git checkout -q {newer} && cd .. && steadystate publish")
    assert agent.ssh.out(ann, "steadystate sync >/dev/null 2>&1 && git submodule update -q --no-fetch again && cat again/more.txt lib/lib.txt") \
        == "more\nlib\nmine\n"
