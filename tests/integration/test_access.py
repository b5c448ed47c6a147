"""Who may come into a session whose people are those of a forge, and how that is taken back.

Covers, against the simulator in tests/forge and a local session: private clone and publish with the
creator's token, collaborators over pages and only with push permission, --allow and `none`, --public,
a forge that is down, slow or counts requests, tokens that end, key and collaborator removal while
somebody is connected, kick, renamed and taken-over logins.
Not covered: login (test_login_forge.py), the same in containers (test_secrets.py).
"""

import concurrent.futures
import contextlib
import subprocess

import pytest

import steady

class Team:
    """A private repository of `owner` at a forge that a server knows, and people with keys."""

    def __init__(self, server_of, forge, place, dialect, **app):
        self.forge, self.dialect, self.place = forge, dialect, place
        self.jwts = set()
        self.server = server_of("local", **forge.environment(dialect, **app))
        self.repository = forge.repository("team/project", {"README.md": "# project\n"})
        forge.configure(private=["team/project"], open_push=False, collaborators={"team/project": {}})

    def person(self, login, number, role=None):
        """Somebody at the forge with a key; steady.Person for its ssh."""
        person = steady.Person(self.server, self.place / f"{login}{number}", login)
        self.forge.add_person(login, number, [person.public_key])
        if role:
            self.role(login, role)
        return person

    def role(self, login, role, repository="team/project"):
        given = self.forge.state()["collaborators"]
        given.setdefault(repository, {})[login] = role
        if role is None:
            del given[repository][login]
        self.forge.configure(collaborators=given)

    def log_in(self, login):
        """A JWT by a personal access token."""
        self.forge.change("tokens", f"pat-{login}", login)
        status, answer, _ = self.server.request("POST", "/auth/token",
                                                {"provider": self.dialect, "token": f"pat-{login}"})
        assert status == 200, answer
        self.jwts.add(answer["jwt"])
        return answer["jwt"]

    def create(self, jwt, **members):
        status, info, _ = self.server.request("POST", "/sessions", {"repo_url": self.repository, **members},
                                              token=jwt)
        assert status == 202, info
        return info["id"]

    def ended_up(self, jwt, session_id):
        """SessionInfo once it runs or has failed."""
        def look():
            info = self.server.request("GET", f"/sessions/{session_id}", token=jwt)[1]
            return info if info["state"] in ("Running", "Failed") else None
        return steady.wait_for(look, 60, "the session")

    def running(self, jwt, **members):
        info = self.ended_up(jwt, self.create(jwt, **members))
        assert info["state"] == "Running", info
        return steady.Session(info)

    def refresh(self, jwt, session):
        return self.server.request("POST", f"/sessions/{session.id}/refresh", token=jwt)

    def members(self, jwt, session):
        status, answer, _ = self.server.request("GET", f"/sessions/{session.id}/members", token=jwt)
        assert status == 200, answer
        return {m["login"]: m["rule"] for m in answer["members"]}


@pytest.fixture(params=["github", "gitlab"])
def dialect(request):
    return request.param


@pytest.fixture
def team(server_of, forge, place, dialect):
    made = Team(server_of, forge, place, dialect)
    yield made
    end_sessions(made)


def end_sessions(team):
    """Every session of everybody who logged in."""
    def left():
        found = []
        for jwt in team.jwts:
            for info in team.server.request("GET", "/sessions", token=jwt)[1]["sessions"]:
                if info["state"] not in ("Terminated", "Failed"):
                    found.append(info)
                    team.server.request("DELETE", f"/sessions/{info['id']}", token=jwt)
        return found
    if team.server.process:
        steady.wait_for(lambda: not left(), 60, "the end of the sessions")


def may_enter(person, session):
    return person.ssh(session, "true", check=False).returncode == 0


@contextlib.contextmanager
def connected(person, session):
    """A connection that stays; the process."""
    with subprocess.Popen(["ssh", *person.ssh_argv(session), "-p", str(session.port),
                           f"{session.user}@{session.host}", "echo in; exec cat"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as ssh:
        assert ssh.stdout.readline() == "in\n"
        yield ssh
        ssh.kill()


def test_collaborators(team):
    """Those with push permission, over all pages; the private repository is cloned and published."""
    team.forge.configure(page_max=2, no_link=True)
    anna = team.person("anna", 1, "admin")
    pushers = [team.person(f"p{i}", 10 + i, ["push", "maintain", "admin"][i % 3]) for i in range(5)]
    readers = [team.person("reader", 20, "pull"), team.person("triager", 21, "triage")]
    nobody = team.person("nobody", 22)
    jwt = team.log_in("anna")
    session = team.running(jwt)
    assert team.members(jwt, session) == {"anna": "creator", **{f"p{i}": "collaborator" for i in range(5)}}
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda p: may_enter(p, session), [anna, *pushers]))
    assert not any(may_enter(p, session) for p in [*readers, nobody])
    # what was cloned is there, and a publish arrives
    assert pushers[0].read(session, "README.md") == "# project\n"
    pushers[0].write(session, "new.txt", "by p0\n")
    pushers[0].ssh(session, 'cd "$USER_WORKSPACE" && steadystate publish')
    assert team.forge.show("team/project", session.branch, "new.txt") == "by p0\n"
    author = steady.git("log", "-1", "--format=%an <%ae>", session.branch, cwd=team.forge.path("team/project"))
    sign = "+" if team.dialect == "github" else "-"
    assert author.strip() == f"p0 <10{sign}p0@users.noreply.{team.forge.host}>"


def test_many_collaborators_of_a_slow_forge(team):
    """Their keys are asked for several at a time."""
    anna = team.person("anna", 1, "admin")
    for i in range(12):
        team.forge.add_person(f"p{i}", 10 + i, [anna.public_key])
    team.forge.configure(collaborators={"team/project": {"anna": "admin", **{f"p{i}": "push" for i in range(12)}}})
    jwt = team.log_in("anna")
    team.forge.configure(fault={"kind": "slow", "match": ".keys", "seconds": 1})
    session = team.running(jwt)
    assert len(team.members(jwt, session)) == 13
    asked = sorted(r["time"] for r in team.forge.requests() if r["path"].endswith(".keys"))
    assert len(asked) == 13
    # One after the other would leave a second between two.
    assert min(b - a for a, b in zip(asked, asked[1:])) < 0.9


def test_removed_while_connected(team):
    """Collaborators and keys that are taken away end connections, at once after a refresh."""
    anna, bert, cora = (team.person(n, i, "push") for i, n in enumerate(("anna", "bert", "cora"), 1))
    jwt = team.log_in("anna")
    session = team.running(jwt)
    with connected(anna, session) as creator, connected(bert, session) as removed, \
            connected(cora, session) as key_gone:
        team.role("bert", None)
        other = steady.Person(team.server, team.place / "cora-new", "cora")
        team.forge.add_person("cora", 3, [other.public_key])
        status, answer, _ = team.refresh(jwt, session)
        assert status == 200 and {m["login"] for m in answer["members"]} == {"anna", "cora"}
        removed.wait(30)
        key_gone.wait(30)
        assert not may_enter(bert, session) and not may_enter(cora, session) and may_enter(other, session)
        assert creator.poll() is None


def test_allow(team):
    """Exactly the list and the creator, whatever the repository's collaborators are."""
    anna, bert, cora = (team.person(n, i, "push") for i, n in enumerate(("anna", "bert", "cora"), 1))
    guest = team.person("guest", 9)
    jwt = team.log_in("anna")
    listed = team.running(jwt, allowed_users=["Guest", "cora"])
    assert team.members(jwt, listed) == {"anna": "creator", "guest": "allowed", "cora": "allowed"}
    assert may_enter(anna, listed) and may_enter(guest, listed) and may_enter(cora, listed)
    assert not may_enter(bert, listed)
    for nobody in (["none"], []):
        alone = team.running(jwt, allowed_users=nobody)
        assert team.members(jwt, alone) == {"anna": "creator"}
        assert may_enter(anna, alone) and not may_enter(bert, alone) and not may_enter(guest, alone)
        assert team.server.request("GET", f"/sessions/{alone.id}", token=team.log_in("bert"))[0] == 404
    info = team.ended_up(jwt, team.create(jwt, allowed_users=["no-such-person"]))
    assert info["state"] == "Failed" and "no-such-person" in info["message"], info


def test_public(team):
    """Everybody who is logged in and has a key, also who logs in later; nobody else."""
    team.person("anna", 1, "push")
    bert, cora, never = team.person("bert", 2), team.person("cora", 3), team.person("never", 4)
    jwt = team.log_in("anna")
    team.log_in("bert")
    session = team.running(jwt, public=True)
    assert session.info["public"] is True
    assert team.members(jwt, session) == {"anna": "creator", "bert": "public"}
    assert may_enter(bert, session) and not may_enter(cora, session) and not may_enter(never, session)
    team.log_in("cora")
    steady.wait_for(lambda: may_enter(cora, session), 30, "the newcomer's way in")
    assert not may_enter(never, session)


def test_who_comes_back(team):
    """Renamed is the same person with the same account; who took the old login over is a stranger."""
    team.person("anna", 1, "push")
    bert = team.person("bert", 2)
    jwt = team.log_in("anna")
    session = team.running(jwt, allowed_users=["bert"])
    bert.write(session, "mine.txt", "bert's\n")
    home = bert.ssh(session, "echo $HOME").stdout
    thief = steady.Person(team.server, team.place / "thief", "bert")
    team.forge.configure(people={**team.forge.state()["people"],
                                 "bert2": {"id": 2, "keys": [bert.public_key]},
                                 "bert": {"id": 66, "keys": [thief.public_key]}})
    assert team.refresh(jwt, session)[0] == 200
    assert may_enter(bert, session) and not may_enter(thief, session)
    assert bert.ssh(session, "echo $HOME").stdout == home
    assert bert.read(session, "mine.txt") == "bert's\n"
    assert team.server.request("GET", f"/sessions/{session.id}", token=team.log_in("bert"))[0] == 404
    assert team.server.request("GET", f"/sessions/{session.id}", token=team.log_in("bert2"))[0] == 200
    # thrown out under the new name, and kept out under every name
    status, answer, _ = team.server.request("POST", f"/sessions/{session.id}/kick", {"login": "bert2"}, token=jwt)
    assert status == 200 and [m["kicked"] for m in answer["members"] if m["login"] == "bert"] == [True], answer
    team.forge.configure(people={"anna": team.forge.state()["people"]["anna"],
                                 "bert3": {"id": 2, "keys": [bert.public_key]}})
    assert team.refresh(jwt, session)[0] == 200
    assert not may_enter(bert, session)
    assert team.server.request("GET", f"/sessions/{session.id}", token=team.log_in("bert3"))[0] == 404


def test_stranger_among_collaborators(team):
    """A login that changed hands and may push on its own: two people, two accounts."""
    team.person("anna", 1, "push")
    bert = team.person("bert", 2, "push")
    jwt = team.log_in("anna")
    session = team.running(jwt)
    home = bert.ssh(session, "echo $HOME").stdout
    other = steady.Person(team.server, team.place / "other", "bert")
    team.forge.configure(people={"anna": team.forge.state()["people"]["anna"],
                                 "robert": {"id": 2, "keys": [bert.public_key]},
                                 "bert": {"id": 77, "keys": [other.public_key]}})
    team.role("robert", "push")
    assert team.refresh(jwt, session)[0] == 200
    assert bert.ssh(session, "echo $HOME $STEADYSTATE_USERNAME").stdout.split() == [home.strip(), "bert"]
    assert other.ssh(session, "echo $STEADYSTATE_USERNAME").stdout == "bert-77\n"
    assert other.ssh(session, "echo $HOME").stdout != home


def test_kick(team):
    anna, bert = team.person("anna", 1, "push"), team.person("bert", 2, "push")
    jwt, berts = team.log_in("anna"), team.log_in("bert")
    session = team.running(jwt)
    path = f"/sessions/{session.id}"
    assert team.server.request("POST", path + "/kick", {"login": "anna"}, token=berts)[0] == 403
    with connected(bert, session) as ssh:
        assert team.server.request("POST", path + "/kick", {"login": "bert"}, token=jwt)[0] == 200
        ssh.wait(30)
    assert not may_enter(bert, session) and may_enter(anna, session)
    assert team.server.request("GET", path, token=berts)[0] == 404
    assert team.refresh(jwt, session)[0] == 200
    team.server.restart()
    assert team.refresh(jwt, session)[0] in (200, 503)
    assert not may_enter(bert, session)
    assert team.server.request("GET", path, token=berts)[0] == 404


def test_forge_down(team):
    """Never wider: a session is not made, and one that runs keeps exactly its people."""
    anna, bert = team.person("anna", 1, "push"), team.person("bert", 2, "push")
    jwt = team.log_in("anna")
    session = team.running(jwt)
    faults = [{"kind": "garbage", "match": "keys"}, {"kind": "truncate", "match": "/api/"},
              {"kind": "primary", "match": "/api/"}, {"kind": "secondary", "match": "/api/"},
              {"kind": "status", "status": 502, "match": ""}, {"kind": "huge", "match": "/api/"}]
    for fault in faults:
        team.forge.configure(fault=fault)
        status, answer, _ = team.refresh(jwt, session)
        assert status in (502, 503, 429), (fault, answer)
        assert team.members(jwt, session) == {"anna": "creator", "bert": "collaborator"}
        # nothing that another session remembered stands in for the forge
        if fault["match"] == "keys":
            continue
        info = team.ended_up(jwt, team.create(jwt, public=True))
        assert (info["state"], info["reason"]) == ("Failed", "keys_unavailable"), (fault, info)
        assert info["message"]
        if fault["kind"] in ("primary", "secondary"):
            assert "too often" in info["message"]
    team.forge.stop()
    info = team.ended_up(jwt, team.create(jwt))
    assert (info["state"], info["reason"]) == ("Failed", "keys_unavailable"), info
    assert may_enter(anna, session) and may_enter(bert, session)
    team.forge.start()
    team.forge.configure(fault=None)
    assert team.refresh(jwt, session)[0] == 200


def test_nothing_new(team, dialect):
    """What a forge says is unchanged is taken as it was; a 304 that cannot be meant so opens nothing."""
    team.forge.configure(etags={"github": "strong", "gitlab": "weak"}[dialect], page_max=1)
    team.person("anna", 1, "push"), team.person("bert", 2, "push")
    jwt = team.log_in("anna")
    def asked():
        return [r["condition"] for r in team.forge.requests() if "/collaborators" in r["path"] or "/members" in r["path"]]
    first = team.running(jwt)
    assert asked() == [None, None]
    second = team.running(jwt)
    for session in (first, second):
        assert team.members(jwt, session) == {"anna": "creator", "bert": "collaborator"}
    assert len(asked()) == 4 and all(asked()[2:])
    # another answer names another person by the same address
    team.role("bert", None)
    third = team.running(jwt)
    assert team.members(jwt, third) == {"anna": "creator"}
    # asked at once: for the whole answer
    assert team.refresh(jwt, second)[0] == 200 and asked()[-1] is None
    assert team.members(jwt, second) == {"anna": "creator"}
    # "unchanged", of another answer than the one that is known
    team.role("bert", "push")
    team.forge.configure(etags="liar")
    fourth = team.running(jwt)
    assert team.members(jwt, fourth) == {"anna": "creator", "bert": "collaborator"}
    # "unchanged", although nobody has asked so
    for match in ("/collaborators" if dialect == "github" else "/members", ".keys"):
        team.forge.configure(fault={"kind": "status", "status": 304, "match": match})
        assert team.refresh(jwt, second)[0] in (502, 503)
        assert team.members(jwt, second) == {"anna": "creator"}
    team.forge.configure(fault=None, etags=None)


def test_another_page(team, dialect):
    """A first page that is as it was says where a second one is by now."""
    team.forge.configure(etags="body", page_max=1)
    team.person("anna", 1, "push")
    jwt = team.log_in("anna")
    assert team.members(jwt, team.running(jwt)) == {"anna": "creator"}
    team.person("bert", 2, "push")
    assert team.members(jwt, team.running(jwt)) == {"anna": "creator", "bert": "collaborator"}
    team.forge.configure(etags=None)


def test_not_there(team):
    """A repository that is absent or invisible fails as such, not as a failure to find keys."""
    team.person("anna", 1)
    jwt = team.log_in("anna")
    info = team.ended_up(jwt, team.create(jwt))
    assert info["state"] == "Failed" and info["reason"] != "keys_unavailable", info
    assert "not found" in info["message"]


def test_protected_branch(team):
    """The session's branch is published beside a main branch that nobody may push to."""
    team.forge.configure(protected=["refs/heads/main"])
    anna = team.person("anna", 1, "push")
    session = team.running(team.log_in("anna"))
    anna.write(session, "x", "1\n")
    anna.ssh(session, 'cd "$USER_WORKSPACE" && steadystate publish')
    assert team.forge.show("team/project", session.branch, "x") == "1\n"
    assert "x" not in steady.git("ls-tree", "--name-only", "main", cwd=team.forge.path("team/project")).split()


def device_login(team, login):
    flow = team.server.request("POST", f"/auth/device?provider={team.dialect}")[1]
    team.forge.change("approvals", flow["user_code"], login)
    def look():
        answer = team.server.request("POST", "/auth/poll", {"device_code": flow["device_code"]})[1]
        return answer if answer.get("status") == "complete" else None
    jwt = steady.wait_for(look, 30, "the login")["jwt"]
    team.jwts.add(jwt)
    return jwt


def test_token_that_ends(server_of, forge, place, dialect):
    """Sessions outlive the token they began with: it is renewed, rotated, and reaches both of them."""
    team = Team(server_of, forge, place, dialect, token_life=9)
    try:
        outlive_a_token(team)
    finally:
        end_sessions(team)


def outlive_a_token(team):
    forge = team.forge
    anna = team.person("anna", 1, "push")
    jwt = device_login(team, "anna")
    team.forge.configure(tokens={})
    sessions = [team.running(jwt, allowed_users=["none"]) for _ in range(2)]
    first = {r["authorization"] for r in forge.requests() if r["path"].startswith("/team/") and r["authorization"]}
    def renewals():
        return [r for r in forge.requests() if r["form"].get("grant_type") == "refresh_token"]
    before = len(renewals())
    steady.wait_for(lambda: len(renewals()) >= before + 2, 60, "the renewal")
    assert len({r["form"]["refresh_token"] for r in renewals()}) == len(renewals())
    for n, session in enumerate(sessions):
        anna.write(session, f"late{n}", "still\n")
        anna.ssh(session, 'cd "$USER_WORKSPACE" && steadystate publish')
        assert forge.show("team/project", session.branch, f"late{n}") == "still\n"
    used = {r["authorization"] for r in forge.requests() if r["path"].startswith("/team/") and r["authorization"]}
    assert used - first


def test_renamed_repository(server_of, forge, place):
    """GitHub answers the old name with a redirect to the repository's number: its people are found there."""
    team = Team(server_of, forge, place, "github")
    team.person("anna", 1, "push")
    team.person("bert", 2, "push")
    jwt = team.log_in("anna")
    team.forge.configure(renamed={"team/old": "team/project"})
    team.repository = team.repository.replace("project", "old")
    info = team.ended_up(jwt, team.create(jwt))
    # a clone does not follow redirects
    assert info["state"] == "Failed" and info["reason"] != "keys_unavailable", info
    asked = [r["path"] for r in forge.requests() if r["path"].startswith("/api/v3/repo")]
    assert asked[0].startswith("/api/v3/repos/team/old/") and asked[1].startswith("/api/v3/repositories/"), asked
