"""Login with GitHub and GitLab against the simulator in tests/forge, over the REST API and the CLI.

Covers: device flow of both dialects (pending, slow_down, expired, denied, wrong client, a lagging
replica), the pace of upstream polls, one at a time, a forge that is down, slow or lies in every way,
personal access tokens, devices across a restart, who a renamed or taken-over login is.
Not covered: sessions (test_access.py), OpenID (test_login_oidc.py).
"""

import concurrent.futures
import re
import subprocess
import time

import pytest

import steady

FORGES = ["github", "gitlab"]
START = {"github": "/login/device/code", "gitlab": "/oauth/authorize_device"}
POLL = {"github": "/login/oauth/access_token", "gitlab": "/oauth/token"}
USER = {"github": "/api/v3/user", "gitlab": "/api/v4/user"}
LIES = ["garbage", "truncate", "type", "huge", "deep", "redirect", "reset"]


def post(server, path, body=None, **keywords):
    return server.request("POST", path, body, **keywords)


def problem(answer, status, word):
    code, body, headers = answer
    assert (code, body.get("error")) == (status, word), answer
    assert headers["Content-Type"] == "application/problem+json"


def begin(server, provider):
    status, flow, _ = post(server, f"/auth/device?provider={provider}")
    assert status == 200, flow
    return flow


def poll(server, flow):
    return post(server, "/auth/poll", {"device_code": flow["device_code"]})


def finish(server, flow):
    """The first answer that is neither pending nor slow_down; polls as fast as it likes."""
    def look():
        answer = poll(server, flow)
        return answer if answer[0] != 200 or answer[1]["status"] == "complete" else None
    return steady.wait_for(look, 60, "the end of the login")


def fault(forge, kind, match, **members):
    forge.configure(fault={"kind": kind, "match": match, "location": forge.base + "/elsewhere", **members})


def count(forge, path):
    return sum(1 for r in forge.requests() if r["path"].startswith(path))


@pytest.fixture(params=FORGES)
def dialect(request):
    return request.param


@pytest.fixture
def server(server_of, forge, dialect):
    forge.add_person("anna", 7)
    return server_of("local", **forge.environment(dialect))


def test_approved(server, forge, dialect):
    flow = begin(server, dialect)
    if dialect == "github":
        assert flow["verification_uri"] == forge.base + "/login/device"
        assert "verification_uri_complete" not in flow and flow["expires_in"] == 900
    else:
        assert flow["verification_uri_complete"].startswith(forge.base + "/oauth/device?user_code=")
        assert flow["expires_in"] == 300
    assert re.fullmatch(r"[A-Z-]{8,9}", flow["user_code"]) and flow["interval"] == 1
    # nothing of the forge's own code goes out
    assert all(flow["device_code"] != r["form"].get("device_code") for r in forge.requests())
    assert poll(server, flow)[1] == {"status": "pending", "interval": 1}
    forge.change("approvals", flow["user_code"], "anna")
    status, answer, _ = finish(server, flow)
    assert status == 200 and answer["login"] == "anna" and answer["provider"] == dialect, answer
    assert set(answer) == {"status", "login", "provider", "jwt", "refresh_token", "expires_in", "refresh_expires_at"}
    assert server.request("GET", "/auth/me", token=answer["jwt"])[1] == {
        "login": "anna", "provider": dialect, "forge_url": forge.base}
    assert post(server, "/auth/refresh", {"refresh_token": answer["refresh_token"]})[0] == 200
    problem(poll(server, flow), 400, "invalid_device_code")
    # the form is the documented one; the token is nowhere in the open
    sent = [r["form"] for r in forge.requests() if r["path"] == POLL[dialect]][-1]
    assert sent["client_id"] == f"{dialect}-app"
    assert sent["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code"
    token = [r["authorization"] for r in forge.requests() if r["path"] == USER[dialect]][-1].split()[1]
    for file in (*server.state.glob("*"), server.directory / "log"):
        assert not file.is_file() or token.encode() not in file.read_bytes(), file


def test_client_secret(server_of, forge, dialect):
    forge.add_person("anna", 7)
    server = server_of("local", **forge.environment(dialect, secret="s+e/c=r%e t"))
    flow = begin(server, dialect)
    forge.change("approvals", flow["user_code"], "anna")
    assert finish(server, flow)[1]["login"] == "anna"


def test_refused(server, forge, dialect):
    for what, word in (("denied", "access_denied"), ("expired", "expired_device_code")):
        flow = begin(server, dialect)
        forge.change("approvals", flow["user_code"], what)
        problem(finish(server, flow), 400, word)
        problem(poll(server, flow), 400, "invalid_device_code")


def test_expires_by_itself(server_of, forge, dialect):
    """The server knows without asking when a code's time is over."""
    server = server_of("local", **forge.environment(dialect, expires_in=1, interval=5))
    flow = begin(server, dialect)
    problem(finish(server, flow), 400, "expired_device_code")


def test_pace(server_of, forge, dialect):
    """However fast clients poll, the forge is asked once an interval, one at a time, and never slows us down."""
    forge.add_person("anna", 7)
    server = server_of("local", **forge.environment(dialect, interval=2))
    flow = begin(server, dialect)
    fault(forge, "slow", POLL[dialect], seconds=0.3)
    ends = time.monotonic() + 5
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        def hammer():
            answers = []
            while time.monotonic() < ends:
                answers.append(poll(server, flow)[1])
            return answers
        answers = [a for each in [pool.submit(hammer) for _ in range(8)] for a in each.result()]
    assert len(answers) > 20 and {a["status"] for a in answers} == {"pending"}
    times = [r["time"] for r in forge.requests() if r["path"] == POLL[dialect]]
    assert 2 <= len(times) <= 3
    # counted from the end of the last answer
    assert all(b - a >= 2.2 for a, b in zip(times, times[1:]))
    forge.configure(fault=None)
    forge.change("approvals", flow["user_code"], "anna")
    assert finish(server, flow)[1]["login"] == "anna"


def test_slow_down(server, forge, dialect):
    """A forge that says slow_down gets the longer interval, and clients are told."""
    flow = begin(server, dialect)
    assert poll(server, flow)[1] == {"status": "pending", "interval": 1}
    # as if somebody else had polled with the same code at the same time
    apps = forge.state()["apps"]
    form = {"client_id": apps[dialect]["id"], "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": [r["form"]["device_code"] for r in forge.requests() if r["path"] == POLL[dialect]][-1]}
    steady.run("curl", "-sS", *[x for k, v in form.items() for x in ("-d", f"{k}={v}")], forge.base + POLL[dialect])
    def slowed():
        answer = poll(server, flow)[1]
        return answer if answer["status"] == "slow_down" else None
    assert steady.wait_for(slowed, 20, "slow_down")["interval"] >= 6
    assert poll(server, flow)[1]["status"] == "pending" and poll(server, flow)[1]["interval"] >= 6


def test_wrong_client(server_of, forge, dialect):
    server = server_of("local", **forge.environment(dialect))
    flow = begin(server, dialect)
    forge.change("apps", dialect, {"id": "another"})
    problem(post(server, f"/auth/device?provider={dialect}"), 502, "provider_unavailable")
    problem(finish(server, flow), 502, "provider_unavailable")
    forge.change("apps", dialect, {"id": f"{dialect}-app", "disabled": True})
    answer = post(server, f"/auth/device?provider={dialect}")
    problem(answer, 502, "provider_unavailable")
    assert "device flow is switched off" in answer[1]["detail"]


def test_lying_at_start(server, forge, dialect):
    for kind in LIES:
        fault(forge, kind, START[dialect])
        problem(post(server, f"/auth/device?provider={dialect}"), 502, "provider_unavailable")
    assert count(forge, "/elsewhere") == 0
    forge.configure(fault=None)
    begin(server, dialect)


def test_lying_at_poll(server, forge, dialect):
    """What is no answer leaves the login as it was; it is asked again, more slowly."""
    flows = {kind: begin(server, dialect) for kind in LIES}
    for kind, flow in flows.items():
        # a redirect that was followed, or a retry at once, would spend more than the one fault
        fault(forge, kind, POLL[dialect], times=1)
        answer = poll(server, flow)[1]
        assert answer["status"] == "pending" and answer["interval"] > flow["interval"], kind
    assert count(forge, "/elsewhere") == 0
    for flow in flows.values():
        forge.change("approvals", flow["user_code"], "anna")
    for flow in flows.values():
        assert finish(server, flow)[1]["login"] == "anna"


def test_lying_about_the_person(server, forge, dialect):
    """The forge does not say whose token it is: nobody's login, and not "unknown token" either."""
    forge.configure(tokens={"pat-of-anna": "anna"})
    for kind in [*LIES, "status", "primary", "secondary"]:
        fault(forge, kind, USER[dialect], status=503)
        problem(post(server, "/auth/token", {"provider": dialect, "token": "pat-of-anna"}), 502,
                "provider_unavailable")


def test_person_unknown_after_approval(server, forge, dialect):
    """The approval is used up by then: the login goes on with what it brought, also after a restart."""
    flow = begin(server, dialect)
    forge.change("approvals", flow["user_code"], "anna")
    fault(forge, "status", USER[dialect], status=503)
    assert poll(server, flow)[1]["status"] == "pending"
    (token,) = [r["authorization"].split()[1] for r in forge.requests() if r["path"] == USER[dialect]]
    kept = [file.read_bytes() for file in server.state.glob("steadystate.db*")]
    assert kept and not [text for text in kept if token.encode() in text]
    server.restart()
    forge.configure(fault=None)
    assert finish(server, flow)[1]["login"] == "anna"
    assert count(forge, POLL[dialect]) == 1
    problem(poll(server, flow), 400, "invalid_device_code")


def test_person_refused_after_approval(server, forge, dialect):
    """A forge that does not take its own token will not take it later: the reason, and no waiting."""
    flow = begin(server, dialect)
    forge.change("approvals", flow["user_code"], "anna")
    fault(forge, "status", USER[dialect], status=401)
    problem(poll(server, flow), 502, "provider_unavailable")
    problem(poll(server, flow), 400, "invalid_device_code")


def test_down(server, forge, dialect):
    flow = begin(server, dialect)
    forge.stop()
    problem(post(server, f"/auth/device?provider={dialect}"), 502, "provider_unavailable")
    assert poll(server, flow)[1]["status"] == "pending"
    problem(post(server, "/auth/token", {"provider": dialect, "token": "a-token"}), 502, "provider_unavailable")
    forge.start()


def test_lag_after_approval(server, forge, dialect):
    """A replica that does not know the code for a moment: asked again, not given up."""
    flow = begin(server, dialect)
    assert poll(server, flow)[1]["status"] == "pending"
    unknown = {"github": "incorrect_device_code", "gitlab": "invalid_grant"}[dialect]
    forge.change("apps", dialect, {**forge.state()["apps"][dialect], "lag": {"word": unknown, "times": 1}})
    forge.change("approvals", flow["user_code"], "anna")
    assert finish(server, flow)[1]["login"] == "anna"


def test_personal_token(server, forge, dialect):
    forge.configure(tokens={"pat-of-anna": "anna"})
    status, answer, _ = post(server, "/auth/token", {"provider": dialect, "token": "pat-of-anna"})
    assert (status, answer["status"], answer["login"], answer["provider"]) == (200, "complete", "anna", dialect)
    problem(post(server, "/auth/token", {"provider": dialect, "token": "pat-of-nobody"}), 401, "unauthenticated")
    problem(post(server, "/auth/token", {"provider": dialect, "token": ""}), 400, "invalid_request")
    for bad in ("a b", "a\r\nX-Evil: 1", "a\nb", "\u00e4", "x\u0000y"):
        answer = post(server, "/auth/token", {"provider": dialect, "token": bad})
        assert answer[0] in (400, 401), (bad, answer)
    assert not [r for r in forge.requests() if "Evil" in str(r)]


def test_names_that_are_not_safe(server, forge, dialect):
    """A forge may call somebody anything; what could be a path, an option or a line break is refused."""
    for number, login in enumerate(("../../etc", "-oProxyCommand=x", "a b", "a\nb", "\u202eanna", "x" * 200)):
        forge.configure(people={login: {"id": 50 + number}}, tokens={"odd": login})
        answer = post(server, "/auth/token", {"provider": dialect, "token": "odd"})
        assert answer[0] in (400, 502), (login, answer)
        assert "\n" not in answer[1]["detail"] and "\u202e" not in answer[1]["detail"]


def test_what_is_shown(server, forge, dialect):
    """People read and type the code and open the page: a sentence, an address or a script has no place there."""
    app = forge.state()["apps"][dialect]
    for code in ("call +1-555-0100 now", "\x1b[2Jgone", " ", "X" * 65, "A\nB", "evil.example/login"):
        forge.change("apps", dialect, {**app, "user_code": code})
        problem(post(server, f"/auth/device?provider={dialect}"), 502, "provider_unavailable")
    for page in ("javascript:alert(1)", "file:///etc/passwd", "https://u:p@evil.example/",
                 "https://good.example/\r\nX: y", "not a page", ""):
        forge.change("apps", dialect, {**app, "page": page})
        problem(post(server, f"/auth/device?provider={dialect}"), 502, "provider_unavailable")


def test_devices_survive_a_restart(server, forge, dialect):
    flow = begin(server, dialect)
    assert poll(server, flow)[1]["status"] == "pending"
    server.restart()
    assert poll(server, flow)[0] == 200
    forge.change("approvals", flow["user_code"], "anna")
    assert finish(server, flow)[1]["login"] == "anna"


def test_who_somebody_is(server, forge, dialect):
    """The number decides: a renamed login is the same person, a taken-over one is a stranger."""
    forge.configure(people={"anna": {"id": 7}}, tokens={"t7": "anna"})
    first = post(server, "/auth/token", {"provider": dialect, "token": "t7"})[1]
    repository = forge.repository("team/project")
    forge.configure(collaborators={"team/project": {}})
    made = post(server, "/sessions", {"repo_url": repository, "allowed_users": ["none"]}, token=first["jwt"])
    assert made[0] == 202, made
    forge.configure(people={"anna2": {"id": 7}, "anna": {"id": 8}}, tokens={"t7": "anna2", "t8": "anna"})
    renamed = post(server, "/auth/token", {"provider": dialect, "token": "t7"})[1]
    stranger = post(server, "/auth/token", {"provider": dialect, "token": "t8"})[1]
    assert (renamed["login"], stranger["login"]) == ("anna2", "anna")
    path = f"/sessions/{made[1]['id']}"
    assert server.request("GET", path, token=renamed["jwt"])[0] == 200
    problem(server.request("GET", path, token=stranger["jwt"]), 404, "not_found")
    problem(server.request("DELETE", path, token=stranger["jwt"]), 404, "not_found")
    assert server.request("GET", "/sessions", token=stranger["jwt"])[1]["sessions"] == []
    # the old refresh token goes on as the same person, with the name of today
    again = post(server, "/auth/refresh", {"refresh_token": first["refresh_token"]})[1]
    assert server.request("GET", "/auth/me", token=again["jwt"])[1]["login"] == "anna2"
    assert server.request("DELETE", path, token=again["jwt"])[0] == 202


def test_one_slow_forge(server_of, forge):
    """GitHub answers nobody: a login at GitLab is finished, renewed, and another begun."""
    forge.add_person("anna", 7)
    server = server_of("local", **forge.environment("github"), **forge.environment("gitlab"))
    gitlab = begin(server, "gitlab")
    fault(forge, "hang", "/login/")
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        waiting = [pool.submit(post, server, "/auth/device?provider=github", timeout=120) for _ in range(40)]
        steady.wait_for(lambda: count(forge, START["github"]) >= 8, 30, "the forge to be asked")
        forge.change("approvals", gitlab["user_code"], "anna")
        answer = finish(server, gitlab)[1]
        assert answer["status"] == "complete" and answer["provider"] == "gitlab"
        assert post(server, "/auth/refresh", {"refresh_token": answer["refresh_token"]})[0] == 200
        assert begin(server, "gitlab")["user_code"]
        assert not any(f.done() for f in waiting)
        forge.stop()
        # nobody is forgotten
        assert {f.result()[0] for f in waiting} == {502}


def cli_environment(place):
    return {"PATH": f"{steady.BUILD}:/usr/bin:/bin", "HOME": str(place), "STEADYSTATE_NO_KEYRING": "1",
            "STEADYSTATE_CONFIG_DIR": str(place / "config")}


def test_command_line(server, forge, dialect, place):
    environment = cli_environment(place)
    with subprocess.Popen([steady.BUILD / "steadystate", "login", "--provider", dialect, "--server", server.url,
                           "--no-browser"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as login:
        page = login.stderr.readline().split()[-1]
        code = login.stderr.readline().split()[-1]
        assert page.startswith(forge.base)
        forge.change("approvals", code, "anna")
        out, rest = login.communicate(timeout=60)
    assert login.returncode == 0, rest
    assert f"as anna ({dialect})" in out
    assert steady.run("steadystate", "whoami", env=environment).stdout.startswith(f"anna ({dialect})")


def test_command_line_token(server, forge, dialect, place):
    forge.configure(tokens={"pat-of-anna": "anna"})
    environment = cli_environment(place)
    login = [steady.BUILD / "steadystate", "login", "--provider", dialect, "--server", server.url, "--token", "-"]
    done = steady.run(*login, input="pat-of-anna\n", env=environment)
    assert f"as anna ({dialect})" in done.stdout
    done = steady.run(*login, input="wrong\n", env=environment, check=False)
    assert done.returncode == 3 and "does not know this token" in done.stderr
    forge.stop()
    done = steady.run(*login, input="pat-of-anna\n", env=environment, check=False)
    assert done.returncode == 6 and done.stderr.startswith("steadystate: login: ")
    forge.start()


def test_command_line_denied(server, forge, dialect, place):
    with subprocess.Popen([steady.BUILD / "steadystate", "login", "--provider", dialect, "--server", server.url,
                           "--no-browser"], env=cli_environment(place), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as login:
        login.stderr.readline()
        forge.change("approvals", login.stderr.readline().split()[-1], "denied")
        _, rest = login.communicate(timeout=60)
    assert login.returncode in (1, 5) and "refused" in rest
