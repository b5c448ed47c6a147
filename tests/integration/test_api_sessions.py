"""The session endpoints of the REST API: each field wrong in each way, who sees what, paging, quotas.

Covers: /sessions*, /archives* against the running server with the local provider. Not covered: what
happens inside a session (test_story, test_agent_*), the container providers' life cycle.
"""

import re

import pytest

import steady

INFO = {"id", "state", "mode", "repo_url", "branch", "session_branch", "environment", "creator", "compute_provider", "endpoint",
        "magic_link", "host_public_key", "stage", "progress", "message", "created_at", "updated_at", "expires_at",
        "last_activity_at"}
STATES = {"Provisioning", "Running", "Failed", "Terminating", "Terminated"}


def problem(answer, status, word, names=""):
    code, body, headers = answer
    assert code == status, answer
    assert headers["Content-Type"] == "application/problem+json"
    assert body["status"] == status and body["error"] == word and names in body["detail"], body


@pytest.fixture
def server(server_of):
    return server_of("local", STEADYSTATE_MAX_SESSION_TTL_SECS="200000")


def create(server, person, repository, **fields):
    return server.request("POST", "/sessions", {"repo_url": repository, **fields}, token=token_of(server, person))


def token_of(server, person):
    """A JWT of somebody with a key, so that sessions of theirs really start."""
    config = person.directory / "config"
    files = [f.read_text() for f in config.rglob("session.json")]
    return re.search(r'"jwt"\s*:\s*"([^"]+)"', files[0])[1]


def state_of(server, token, session_id):
    return server.request("GET", f"/sessions/{session_id}", token=token)[1]["state"]


def end(server, token, session_id):
    assert server.request("DELETE", f"/sessions/{session_id}", token=token)[0] == 202
    steady.wait_for(lambda: state_of(server, token, session_id) in ("Terminated", "Failed"), 30, "the end")


def test_fields_of_create(server, forge):
    repository = forge.repository("team/project")
    anna = server.person("anna")
    token = token_of(server, anna)
    host = forge.host
    bad = [
        ({}, "repo_url"), ({"repo_url": None}, "repo_url"), ({"repo_url": 7}, "repo_url"),
        ({"repo_url": []}, "repo_url"), ({"repo_url": ""}, "repo_url"), ({"repo_url": "x" * 3000}, "repo_url"),
        ({"repo_url": "project"}, "repo_url"), ({"repo_url": "-oProxyCommand=touch /tmp/x"}, "repo_url"),
        ({"repo_url": "--upload-pack=x"}, "repo_url"), ({"repo_url": "ext::sh -c id"}, "repo_url"),
        ({"repo_url": "git://example.org/x"}, "repo_url"), ({"repo_url": "ftp://example.org/x"}, "repo_url"),
        ({"repo_url": "file:///etc"}, "repo_url"), ({"repo_url": "/etc"}, "repo_url"),
        ({"repo_url": "http://example.org/x/y.git"}, "repo_url"),
        ({"repo_url": f"https://user:secret@{host}/x.git"}, "repo_url"),
        ({"repo_url": "https://-x.example/y"}, "repo_url"), ({"repo_url": f"git@{host}:-x"}, "repo_url"),
        ({"repo_url": "https://example.org/x\ny"}, "repo_url"), ({"repo_url": "https://example.org/x y"}, "repo_url"),
        ({"repo_url": "https://example.org/x\u0000"}, "repo_url"),
        ({"repo_url": "https://localhost/x.git"}, "repo_url"), ({"repo_url": "https://127.0.0.1/x.git"}, "repo_url"),
        ({"repo_url": "https://127.1/x.git"}, "repo_url"), ({"repo_url": "https://[::1]/x.git"}, "repo_url"),
        ({"repo_url": "https://169.254.169.254/x"}, "repo_url"), ({"repo_url": "https://10.0.0.1/x.git"}, "repo_url"),
        ({"repo_url": "ssh://git@192.168.1.1/x.git"}, "repo_url"), ({"repo_url": "git@127.0.0.1:x"}, "repo_url"),
        ({"repo_url": "https://[::ffff:127.0.0.1]/x.git"}, "repo_url"),
        ({"repo_url": "https://nowhere.invalid/x.git"}, "repo_url"),
        ({"repo_url": repository, "mode": 1}, "mode"),
        ({"repo_url": repository, "branch": "-x"}, "branch"), ({"repo_url": repository, "branch": "a..b"}, "branch"),
        ({"repo_url": repository, "branch": "a b"}, "branch"), ({"repo_url": repository, "branch": "x.lock"}, "branch"),
        ({"repo_url": repository, "branch": "x" * 300}, "branch"), ({"repo_url": repository, "branch": {}}, "branch"),
        ({"repo_url": repository, "allowed_users": "bob"}, "allowed_users"),
        ({"repo_url": repository, "allowed_users": {"bob": 1}}, "allowed_users"),
        ({"repo_url": repository, "allowed_users": [1]}, "allowed_users"),
        ({"repo_url": repository, "allowed_users": [["bob"]]}, "allowed_users"),
        ({"repo_url": repository, "allowed_users": ["a,b"]}, "a,b"),
        ({"repo_url": repository, "allowed_users": ["-x"]}, "-x"),
        ({"repo_url": repository, "allowed_users": ["bob", "nope:bob"]},
         "'nope:bob' names no login provider of this server; there is: sshkey, fake"),
        ({"repo_url": repository, "allowed_users": [":bob"]}, ":bob"),
        ({"repo_url": repository, "allowed_users": ["a/b"]}, "a/b"),
        ({"repo_url": repository, "allowed_users": ["bob"] * 300}, "allowed_users"),
        ({"repo_url": repository, "public": "true"}, "public"), ({"repo_url": repository, "public": 1}, "public"),
        ({"repo_url": repository, "environment": 1}, "environment"),
        ({"repo_url": repository, "ttl_secs": "1h"}, "ttl_secs"), ({"repo_url": repository, "ttl_secs": 0}, "ttl_secs"),
        ({"repo_url": repository, "ttl_secs": -1}, "ttl_secs"),
        ({"repo_url": repository, "ttl_secs": 200001}, "ttl_secs"),
        ({"repo_url": repository, "ttl_secs": 1e300}, "ttl_secs"),
        ({"repo_url": repository, "ttl_secs": 100.5}, "ttl_secs"),
        ({"repo_url": repository, "ttl_secs": 1 << 64}, "ttl_secs"),
    ]
    for body, names in bad:
        problem(server.request("POST", "/sessions", body, token=token), 400, "invalid_request", names)
    problem(server.request("POST", "/sessions", {"repo_url": repository, "approve": True}, token=token), 400,
            "invalid_request", "approve")
    for body in ({"environment": "nix"}, {"environment": "docker"}, {"mode": "solo"}, {"mode": ""}):
        answer = server.request("POST", "/sessions", {"repo_url": repository, **body}, token=token)
        problem(answer, 400, "not_supported")
    assert server.request("GET", "/sessions", token=token)[1] == {"sessions": [], "next": None}
    assert forge.requests() == [] or all("secret" not in str(r) for r in forge.requests())


def test_life_and_who_sees_it(server, forge):
    repository = forge.repository("team/project")
    anna, bob, eve = server.person("anna"), server.person("bob"), server.person("eve")
    a, b, e = (token_of(server, p) for p in (anna, bob, eve))
    stranger = server.fake_token("anna")  # the same name at another provider
    status, info, headers = create(server, anna, repository, allowed_users=["bob"], ttl_secs=3600)
    assert status == 202
    assert headers["Location"] == f"/sessions/{info['id']}"
    assert set(info) >= INFO and info["state"] == "Provisioning"
    assert re.fullmatch("[a-z2-7]{20}", info["id"])
    assert info["magic_link"].startswith(f"steadystate://collab/{info['id']}?ssh=ssh%3A%2F%2F")
    assert info["session_branch"] == f"steadystate/collab/{info['id']}"
    assert info["environment"] == "noenv" and info["mode"] == "collab" and info["creator"] == "anna"
    assert info["expires_at"] == info["created_at"] + 3600
    path = f"/sessions/{info['id']}"
    running = steady.wait_for(
        lambda: (s := server.request("GET", path, token=a)[1])["state"] != "Provisioning" and s, 60, "the session")
    assert running["state"] == "Running", running
    assert running["magic_link"] == info["magic_link"], "the link was right from the start"

    assert server.request("GET", path, token=b)[1] == running
    for other in (e, stranger):
        problem(server.request("GET", path, token=other), 404, "not_found")
        problem(server.request("DELETE", path, token=other), 404, "not_found")
        for verb, body in (("extend", {"ttl_secs": 600}), ("refresh", None), ("kick", {"login": "bob"})):
            problem(server.request("POST", f"{path}/{verb}", body or {}, token=other), 404, "not_found")
        problem(server.request("GET", f"{path}/members", token=other), 404, "not_found")
        problem(server.request("GET", f"/archives/{info['id']}", token=other), 404, "not_found")
        assert server.request("GET", "/sessions", token=other)[1]["sessions"] == []
    for method, suffix, body in (("DELETE", "", None), ("POST", "/extend", {"ttl_secs": 600}), ("POST", "/refresh", {}),
                                 ("POST", "/kick", {"login": "anna"}), ("GET", "/members", None)):
        problem(server.request(method, path + suffix, body, token=b), 403, "forbidden")
    for method, suffix in (("GET", ""), ("DELETE", ""), ("GET", "/members")):
        problem(server.request(method, path + suffix), 401, "unauthenticated")

    members = server.request("GET", f"{path}/members", token=a)[1]["members"]
    assert {(m["login"], m["rule"], m["connected"]) for m in members} == \
        {("anna", "creator", False), ("bob", "allowed", False)}
    for body, names in (({}, "ttl_secs"), ({"ttl_secs": "x"}, "ttl_secs"), ({"ttl_secs": -1}, "ttl_secs"),
                        ({"ttl_secs": 10**6}, "ttl_secs"), ({"ttl_secs": None}, "ttl_secs")):
        problem(server.request("POST", f"{path}/extend", body, token=a), 400, "invalid_request", names)
    longer = server.request("POST", f"{path}/extend", {"ttl_secs": 100000}, token=a)
    assert longer[0] == 200 and longer[1]["expires_at"] > info["expires_at"]
    shorter = server.request("POST", f"{path}/extend", {"ttl_secs": 60}, token=a)
    assert shorter[1]["expires_at"] == longer[1]["expires_at"], "never earlier than it was"
    for body in ({}, {"login": 7}, {"login": ""}, {"login": "a b"}, {"login": "anna"}, {"login": "x" * 200}):
        problem(server.request("POST", f"{path}/kick", body, token=a), 400, "invalid_request")
    assert server.request("POST", f"{path}/refresh", {}, token=a)[0] == 200
    assert server.request("POST", f"{path}/kick", {"login": "bob"}, token=a)[0] == 200
    problem(server.request("GET", path, token=b), 404, "not_found")
    end(server, a, info["id"])
    assert server.request("DELETE", path, token=a)[0] == 202, "repeated"


def test_ids_of_nothing(server):
    token = server.fake_token("anna")
    for session_id in ("a" * 20, "x", "A" * 20, "a" * 21, "..", "%2e%2e", "a" * 19 + "%41", "%F0%9F%92%A9", "a" * 129):
        for method, path in (("GET", "/sessions/{}"), ("DELETE", "/sessions/{}"), ("POST", "/sessions/{}/extend"),
                             ("POST", "/sessions/{}/kick"), ("GET", "/sessions/{}/members"),
                             ("POST", "/sessions/{}/refresh"), ("GET", "/archives/{}")):
            body = {"ttl_secs": 600, "login": "bob"} if method == "POST" else None
            problem(server.request(method, path.format(session_id), body, token=token), 404, "not_found")


def test_list(server_of, forge):
    server = server_of("local")
    anna = server.person("anna")
    token = token_of(server, anna)
    missing = forge.url("team/missing")
    ids = [create(server, anna, missing)[1]["id"] for _ in range(5)]
    steady.wait_for(lambda: all(state_of(server, token, i) == "Failed" for i in ids), 60, "the failures")
    seen, after = [], ""
    while True:
        page = server.request("GET", f"/sessions?limit=2&after={after}", token=token)[1]
        assert len(page["sessions"]) <= 2
        seen += [s["id"] for s in page["sessions"]]
        if not page["next"]:
            break
        after = page["next"]
    assert sorted(seen) == sorted(ids) and len(set(seen)) == 5
    assert len(server.request("GET", "/sessions?state=Failed", token=token)[1]["sessions"]) == 5
    for state in STATES - {"Failed"}:
        assert server.request("GET", f"/sessions?state={state}", token=token)[1]["sessions"] == []
    for query in ("state=failed", "state=x", "limit=0", "limit=-1", "limit=201", "limit=x", "limit=1e2", "after=x",
                  "after=" + "a" * 20, "after=%00"):
        problem(server.request("GET", f"/sessions?{query}", token=token), 400, "invalid_request")
    assert server.request("GET", "/sessions?unknown=1&limit=200", token=token)[0] == 200
    failed = server.request("GET", f"/sessions/{ids[0]}", token=token)[1]
    assert failed["message"] and failed["reason"] in ("repository_not_found", "authentication_required"), failed


def test_cap_per_user(server_of, forge):
    server = server_of("local", STEADYSTATE_MAX_SESSIONS_PER_USER="2")
    repository = forge.repository("team/project")
    anna, bob = server.person("anna"), server.person("bob")
    token = token_of(server, anna)
    made = [create(server, anna, repository) for _ in range(2)]
    assert [m[0] for m in made] == [202, 202]
    problem(create(server, anna, repository), 403, "quota_exceeded")
    other = create(server, bob, repository)
    assert other[0] == 202, "somebody else has a cap of their own"
    end(server, token, made[0][1]["id"])
    again = create(server, anna, repository)
    assert again[0] == 202
    for owner, session in ((token, made[1][1]), (token, again[1]), (token_of(server, bob), other[1])):
        end(server, owner, session["id"])


def test_archive(server, forge):
    repository = forge.repository("team/project")
    anna = server.person("anna")
    session = anna.up(repository, "--allow", "none")
    anna.write(session, "precious.txt", "not yet published\n")
    token = token_of(server, anna)
    end(server, token, session.id)
    listed = server.request("GET", "/archives", token=token)[1]["archives"]
    assert [a["session_id"] for a in listed] == [session.id] and listed[0]["size"] > 0, listed
    stranger = server.fake_token("anna")
    assert server.request("GET", "/archives", token=stranger)[1] == {"archives": []}
    problem(server.request("GET", f"/archives/{session.id}", token=stranger), 404, "not_found")
    out = anna.directory / "saved.bundle"
    anna.cli("archive", "get", session.id, "-o", out)
    assert out.stat().st_size == listed[0]["size"]
    branches = steady.git("bundle", "list-heads", out)
    assert branches
    work = anna.directory / "restored"
    steady.git("init", "-q", "--bare", work)
    steady.git("fetch", "-q", forge.path("team/project"), "+refs/heads/*:refs/heads/*", cwd=work)
    steady.git("fetch", "-q", out, "+refs/*:refs/saved/*", cwd=work)
    saved = steady.git("for-each-ref", "--format=%(refname)", "refs/saved", cwd=work).split()
    contents = [steady.git("ls-tree", "-r", "--name-only", ref, cwd=work) for ref in saved]
    assert any("precious.txt" in c for c in contents), (saved, contents)
