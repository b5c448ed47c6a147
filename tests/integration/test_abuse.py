"""What somebody tries who wants in, or wants the server down; and what an administrator does after a leak.

Covers: guessed device codes, 10,000 polls, limits per account, headers and fields that carry line breaks,
oversized everything, rotation of the JWT secret and of the key that seals the forges' tokens.
Not covered: forged tokens and replayed refresh tokens (test_api_auth.py), HTTP itself (test_api_http.py).
"""

import concurrent.futures
import http.client
import json
import pathlib
import secrets
import sqlite3
import time

import pytest

import steady


def post(server, path, body=None, **keywords):
    return server.request("POST", path, body, **keywords)


def resident_kb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1])


def many_polls(server, codes):
    """Answers of one connection that polls each code in turn."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    answers = []
    for code in codes:
        connection.request("POST", "/auth/poll", json.dumps({"device_code": code}),
                           {"Content-Type": "application/json"})
        response = connection.getresponse()
        answers.append((response.status, json.loads(response.read())))
    connection.close()
    return answers


def test_ten_thousand_polls(server_of, forge):
    """Answered from memory: the forge hears of a few, and the server does not grow."""
    server = server_of("local", **forge.environment("github", interval=5))
    code = post(server, "/auth/device?provider=github")[1]["device_code"]
    many_polls(server, [code] * 200)
    before, began = resident_kb(server.process.pid), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = [a for part in pool.map(lambda _: many_polls(server, [code] * 2500), range(4)) for a in part]
    took = time.monotonic() - began
    assert len(answers) == 10000 and all(a == (200, {"status": "pending", "interval": 5}) for a in answers)
    upstream = [r["time"] for r in forge.requests() if r["path"] == "/login/oauth/access_token"]
    assert len(upstream) <= 2 + took / 5
    assert resident_kb(server.process.pid) - before < 8192
    assert server.request("GET", "/health")[0] == 200


def test_guessed_codes(server_of):
    server = server_of("local")
    flow = post(server, "/auth/device?provider=fake&variant=9")[1]
    good = flow["device_code"]
    guesses = [secrets.token_urlsafe(32) for _ in range(300)]
    guesses += [good[:-1] + c for c in "ABCDEFGH" if c != good[-1]] + [good.swapcase(), good[::-1], good + "A", good[1:]]
    guesses += ["", "%", "../../etc/passwd", "' OR 1=1 --", "\u0000" * 43, "\r\n" * 20, flow["user_code"] or "X"]
    for status, answer in many_polls(server, guesses):
        assert status == 400 and answer["error"] in ("invalid_device_code", "invalid_request"), answer
    assert post(server, "/auth/poll", {"device_code": good})[1]["status"] == "pending"


def test_limit_of_an_account(server_of):
    """Many addresses are still one account, and another account is not held up by it."""
    server = server_of("local", RATE_LIMIT_DEFAULT_PER_MIN="20", RATE_LIMIT_TRUST_FORWARDED="1")
    busy, other = server.fake_token("busy"), server.fake_token("other")
    def me(token, n):
        return server.request("GET", "/auth/me", token=token, headers={"X-Forwarded-For": f"198.51.100.{n}"})
    answers = [me(busy, n) for n in range(21)]
    assert [a[0] for a in answers] == [200] * 20 + [429]
    assert answers[-1][1]["error"] == "rate_limited" and int(answers[-1][2]["Retry-After"]) >= 1
    assert me(other, 200)[0] == 200


def test_line_breaks_and_size(server_of):
    """Nothing that is sent comes back as a header, a log line of its own or a crash."""
    server = server_of("local")
    token = server.fake_token("anna")
    evil = "x%0d%0aX-Evil:%201%0d%0a%0d%0abody"
    for path in (f"/auth/device?provider={evil}", f"/auth/device?provider=fake&login={evil}", f"/sessions/{evil}",
                 f"/sessions?state={evil}", f"/sessions?after={evil}", f"/archives/{evil}"):
        method = "POST" if path.startswith("/auth") else "GET"
        status, _, headers = server.request(method, path, token=token)
        assert 400 <= status < 500 and "X-Evil" not in headers, path
    lines = "a\r\nlevel=error msg=forged"
    long = "x" * 60000
    for path, bodies in {
            "/auth/poll": [{"device_code": lines}, {"device_code": long}, {"device_code": "A" * 43, "login": lines},
                           {"device_code": "A" * 43, "signature": long}, [[]] * 1000, long],
            "/auth/token": [{"provider": lines, "token": "x"}, {"provider": "fake", "token": lines}],
            "/auth/refresh": [{"refresh_token": lines}, {"refresh_token": {"a": long[:4000]}}],
            "/auth/revoke": [{"refresh_token": lines}],
            "/sessions": [{"repo_url": lines}, {"repo_url": "https://example.org/" + long},
                          {"repo_url": "https://example.org/a/b", "allowed_users": [lines]},
                          {"repo_url": "https://example.org/a/b", "allowed_users": ["x"] * 5000},
                          {"repo_url": "https://example.org/a/b", "branch": lines},
                          {"repo_url": "https://example.org/a/b", "ttl_secs": 1 << 70}]}.items():
        for body in bodies:
            status, answer, _ = post(server, path, body, token=token)
            # to revoke what is not there is fine
            assert 400 <= status < 500 or path == "/auth/revoke", (path, status, answer)
    for header in ("Bearer " + "A" * 7000, "Bearer " + "." * 5000, "Bearer " + token + " " + token):
        assert server.request("GET", "/auth/me", headers={"Authorization": header})[0] in (401, 431)
    assert "\nlevel=error msg=forged" not in server.log() and "\nX-Evil" not in server.log()
    assert server.request("GET", "/health")[0] == 200


def test_jwt_secret_rotation(server_of):
    """The secret before is good until its tokens end, and is never signed with."""
    old, new = "the first secret, of more than 32 bytes", "the second secret, of more than 32 bytes"
    server = server_of("local", JWT_SECRET=old)
    def me(token):
        return server.request("GET", "/auth/me", token=token)[0]
    first = server.fake_token("anna")
    server.environment.update(JWT_SECRET=new, JWT_SECRET_PREVIOUS=old)
    server.restart()
    second = server.fake_token("anna")
    assert (me(first), me(second)) == (200, 200)
    del server.environment["JWT_SECRET_PREVIOUS"]
    server.restart()
    assert (me(first), me(second)) == (401, 200)
    server.environment["JWT_SECRET_PREVIOUS"] = "short"
    done = steady.run(steady.BUILD / "steadystated", "--check-config", env=server.environment, check=False)
    assert done.returncode == 1 and "JWT_SECRET_PREVIOUS" in done.stderr


def sealed_under(server):
    with sqlite3.connect(server.state / "steadystate.db") as db:
        rows = db.execute("SELECT access, refresh FROM provider_tokens").fetchall()
    return {text.split(".")[1] for row in rows for text in row if text}


@pytest.mark.parametrize("own_file", [False, True])
def test_token_key_rotation(server_of, forge, place, own_file):
    forge.add_person("anna", 1)
    forge.configure(tokens={"pat-of-anna": "anna"}, private=["team/project"],
                    collaborators={"team/project": {"anna": "push"}})
    repository = forge.repository("team/project")
    extra = {}
    if own_file:
        key = place / "key"
        key.touch(0o600)
        key.write_text(secrets.token_hex(32) + "\n")
        extra["STEADYSTATE_TOKEN_KEY_FILE"] = str(key)
    server = server_of("local", **forge.environment("github", token_life=3600), **extra)
    jwt = post(server, "/auth/token", {"provider": "github", "token": "pat-of-anna"})[1]["jwt"]
    before = sealed_under(server)
    def rotate(file):
        return steady.run(steady.BUILD / "steadystated", "--rotate-token-key", file, check=False,
                          env=server.environment)
    server.stop()
    open_key = place / "open"
    open_key.write_text(secrets.token_hex(32) + "\n")
    open_key.chmod(0o644)
    done = rotate(open_key)
    assert done.returncode == 1 and "readable by its owner only" in done.stderr
    assert sealed_under(server) == before
    fresh = place / "new-key"
    done = rotate(fresh)
    assert done.returncode == 0, done.stderr
    assert fresh.stat().st_mode & 0o777 == 0o600
    after = sealed_under(server)
    assert len(after) == 1 and after != before
    if own_file:
        assert "STEADYSTATE_TOKEN_KEY_FILE" in done.stdout
        server.environment["STEADYSTATE_TOKEN_KEY_FILE"] = str(fresh)
    server.start()
    # the token still opens: the private repository is cloned with it
    made = post(server, "/sessions", {"repo_url": repository, "allowed_users": ["none"]}, token=jwt)[1]
    def state():
        info = server.request("GET", f"/sessions/{made['id']}", token=jwt)[1]
        return info if info["state"] in ("Running", "Failed") else None
    info = steady.wait_for(state, 60, "the session")
    assert info["state"] == "Running", info
    server.request("DELETE", f"/sessions/{made['id']}", token=jwt)
    steady.wait_for(lambda: server.request("GET", f"/sessions/{made['id']}", token=jwt)[1]["state"] == "Terminated",
                    60, "the end")
    if own_file:
        done = rotate(place / "another")  # while the server runs
        assert done.returncode == 1 and "another server uses" in done.stderr
