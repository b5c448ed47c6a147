"""Login over the REST API: device codes, tokens that are forged, refresh tokens that are replayed.

Covers: providers sshkey (challenge, signature by ssh-keygen) and fake, /auth/*, an abuse suite for
JWTs against the running server, rate limits, restart. Not covered: github, gitlab and oidc
(test_login_*), the CLI's side (test_story).
"""

import base64
import concurrent.futures
import hashlib
import hmac
import json
import subprocess
import time

import pytest

import steady

SECRET = "an integration test's secret of at least 32 bytes"


@pytest.fixture
def server(server_of):
    return server_of("local", JWT_SECRET=SECRET, JWT_TTL_SECS="60")


def post(server, path, body=None, **keywords):
    return server.request("POST", path, body, **keywords)


def problem(answer, status, word):
    """The answer is an error as documented."""
    code, body, headers = answer
    assert code == status, answer
    assert headers["Content-Type"] == "application/problem+json"
    assert body["status"] == status and body["error"] == word, body
    assert body["type"] == "about:blank" and body["title"] and body["detail"]
    assert headers["X-Request-Id"]
    assert (headers["WWW-Authenticate"] == "Bearer") == (status == 401)


def fake_login(server, login="dev"):
    flow = post(server, "/auth/device?provider=fake")[1]
    status, answer, _ = post(server, "/auth/poll", {"device_code": flow["device_code"], "login": login})
    assert status == 200 and answer["status"] == "complete", answer
    return answer


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forge(claims, header=None, secret=SECRET, digest=hashlib.sha256, signature=None):
    head = b64(json.dumps(header or {"typ": "JWT", "alg": "HS256"}, separators=(",", ":")).encode())
    body = claims if isinstance(claims, str) else json.dumps(claims, separators=(",", ":"))
    text = f"{head}.{b64(body.encode())}"
    mac = hmac.new(secret.encode(), text.encode(), digest).digest() if signature is None else signature
    return f"{text}.{b64(mac)}"


def good_claims(**changes):
    now = int(time.time())
    claims = {"iss": "steadystate", "sub": "dev", "provider": "fake", "uid": "dev", "iat": now, "exp": now + 60,
              "jti": "test"}
    claims.update(changes)
    return {k: v for k, v in claims.items() if v is not None}


def test_forged_tokens(server):
    def me(token):
        return server.request("GET", "/auth/me", token=token)

    assert me(forge(good_claims()))[:2] == (200, {"login": "dev", "provider": "fake"})
    assert me(forge(good_claims(uid=None)))[0] == 200  # with this provider the login is the id
    now = int(time.time())
    bad_claims = [
        {"iss": "other"}, {"iss": None}, {"iss": ["steadystate"]}, {"sub": None}, {"sub": ""}, {"sub": 7},
        {"sub": "a b"}, {"sub": "../x"}, {"sub": "-x"}, {"sub": "x" * 65}, {"sub": "a\u0000"}, {"provider": None},
        {"provider": "Fake"}, {"uid": None, "provider": "github"}, {"uid": ""}, {"uid": "a b"}, {"uid": "x" * 256},
        {"jti": None}, {"jti": ""}, {"exp": None}, {"exp": now - 1}, {"exp": str(now + 60)}, {"exp": now + 60.5}, {"exp": True},
        {"exp": 1 << 70}, {"exp": now + 10_000_000}, {"exp": -1}, {"iat": None}, {"iat": now + 3600},
        {"iat": "now"}, {"nbf": now + 3600}, {"nbf": "x"}, {"aud": "somebody"},
    ]
    for changes in bad_claims:
        problem(me(forge(good_claims(**changes))), 401, "unauthenticated")
    bad_headers = [
        {"typ": "JWT", "alg": "none"}, {"typ": "JWT", "alg": "None"}, {"typ": "JWT", "alg": "hs256"},
        {"typ": "JWT", "alg": "RS256"}, {"typ": "JWT", "alg": "HS512"}, {"typ": "JWT"}, {"alg": "HS256"},
        {"typ": "at+jwt", "alg": "HS256"}, {"typ": "JWT", "alg": "HS256", "crit": ["exp"]},
        {"typ": "JWT", "alg": "HS256", "jku": "https://evil.example"}, {"typ": "JWT", "alg": ["HS256"]},
    ]
    for header in bad_headers:
        problem(me(forge(good_claims(), header)), 401, "unauthenticated")
    problem(me(forge(good_claims(), {"typ": "JWT", "alg": "HS512"}, digest=hashlib.sha512)), 401, "unauthenticated")
    problem(me(forge(good_claims(), signature=b"")), 401, "unauthenticated")
    problem(me(forge(good_claims(), secret="x" * 40)), 401, "unauthenticated")
    problem(me(forge(good_claims(), secret="")), 401, "unauthenticated")
    problem(me(forge('{"iss":"other",' + json.dumps(good_claims(), separators=(",", ":"))[1:])), 401,
            "unauthenticated")
    good = forge(good_claims())
    for token in ("", ".", "..", "x", good + ".x", good[:-1], good + "=", good.replace(".", ""), "x" * 5000,
                  good.swapcase()):
        problem(me(token), 401, "unauthenticated")
    for header in ("Basic ZGV2OmRldg==", "Bearer", "bearer", good, "Bearer\t" + good):
        problem(server.request("GET", "/auth/me", headers={"Authorization": header}), 401, "unauthenticated")
    assert me(good)[0] == 200


def test_tokens_end_and_survive(server):
    answer = fake_login(server, "anna")
    assert answer["expires_in"] == 60
    assert answer["login"] == "anna" and answer["provider"] == "fake"
    server.restart()
    assert server.request("GET", "/auth/me", token=answer["jwt"])[0] == 200
    # another secret; the old one is still good for what it signed
    server.stop()
    server.environment["JWT_SECRET"] = SECRET[::-1]
    server.start()
    problem(server.request("GET", "/auth/me", token=answer["jwt"]), 401, "unauthenticated")
    server.stop()
    server.environment["JWT_SECRET_PREVIOUS"] = SECRET
    server.start()
    assert server.request("GET", "/auth/me", token=answer["jwt"])[0] == 200
    fresh = post(server, "/auth/refresh", {"refresh_token": answer["refresh_token"]})
    assert fresh[0] == 200
    assert server.request("GET", "/auth/me", token=fresh[1]["jwt"])[1]["login"] == "anna"


def refresh(server, token):
    return post(server, "/auth/refresh", {"refresh_token": token})


def test_refresh_is_rotated_and_replay_ends_the_family(server):
    first = fake_login(server)["refresh_token"]
    status, answer, _ = refresh(server, first)
    assert status == 200
    assert set(answer) >= {"jwt", "refresh_token", "expires_in", "refresh_expires_at"}
    second = answer["refresh_token"]
    assert second != first
    third = refresh(server, second)[1]["refresh_token"]
    problem(refresh(server, first), 401, "unauthenticated")  # its successor was used already
    problem(refresh(server, third), 401, "unauthenticated")
    problem(refresh(server, second), 401, "unauthenticated")


def test_lost_answer_may_be_asked_again(server):
    first = fake_login(server)["refresh_token"]
    assert refresh(server, first)[0] == 200  # nobody heard this
    status, answer, _ = refresh(server, first)
    assert status == 200
    assert refresh(server, answer["refresh_token"])[0] == 200


def test_parallel_refreshes_leave_one_line(server):
    """However many come at once with one token, at most one line of tokens lives on."""
    first = fake_login(server)["refresh_token"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: refresh(server, first), range(16)))
    given = [a[1]["refresh_token"] for a in answers if a[0] == 200]
    assert given
    alive = [t for t in given if refresh(server, t)[0] == 200]
    assert len(alive) <= 1


def test_refresh_tokens_are_not_in_the_store(server):
    answer = fake_login(server)
    needles = [answer["refresh_token"].encode(), answer["jwt"].encode(), SECRET.encode()]
    for file in server.state.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not any(needle in content for needle in needles), file
    for needle in needles:
        assert needle.decode() not in server.log()


def test_revoke(server):
    token = fake_login(server)["refresh_token"]
    assert post(server, "/auth/revoke", {"refresh_token": token})[:2] == (200, {"revoked": True})
    problem(refresh(server, token), 401, "unauthenticated")
    assert post(server, "/auth/revoke", {"refresh_token": token})[0] == 200
    assert post(server, "/auth/revoke", {"refresh_token": "unknown"})[0] == 200


def test_fields_of_auth(server):
    code = post(server, "/auth/device?provider=fake")[1]["device_code"]
    bad = [
        ("/auth/device", None, 400, "invalid_request"),
        ("/auth/device?provider=", None, 400, "invalid_request"),
        ("/auth/device?provider=nope", None, 400, "not_supported"),
        ("/auth/device?provider=github", None, 400, "not_supported"),
        ("/auth/device?provider=fake&login=a%20b", None, 400, "invalid_request"),
        ("/auth/poll", {}, 400, "invalid_request"),
        ("/auth/poll", {"device_code": 7}, 400, "invalid_request"),
        ("/auth/poll", {"device_code": None}, 400, "invalid_request"),
        ("/auth/poll", {"device_code": "x" * 1000}, 400, "invalid_request"),
        ("/auth/poll", {"device_code": "x"}, 400, "invalid_device_code"),
        ("/auth/poll", {"device_code": "A" * 43}, 400, "invalid_device_code"),
        ("/auth/poll", {"device_code": code, "login": 7}, 400, "invalid_request"),
        ("/auth/poll", {"device_code": code, "login": "x" * 65}, 400, "invalid_request"),
        ("/auth/poll", {"device_code": code, "signature": {}}, 400, "invalid_request"),
        ("/auth/token", {}, 400, "invalid_request"),
        ("/auth/token", {"provider": "fake"}, 400, "invalid_request"),
        ("/auth/token", {"provider": 7, "token": "x"}, 400, "invalid_request"),
        ("/auth/token", {"provider": "fake", "token": "x"}, 400, "not_supported"),
        ("/auth/token", {"provider": "github", "token": "x"}, 400, "not_supported"),
        ("/auth/token", {"provider": "fake", "token": "x" * 5000}, 400, "invalid_request"),
        ("/auth/refresh", {}, 400, "invalid_request"),
        ("/auth/refresh", {"refresh_token": []}, 400, "invalid_request"),
        ("/auth/refresh", {"refresh_token": "x"}, 401, "unauthenticated"),
        ("/auth/refresh", {"refresh_token": "A" * 43}, 401, "unauthenticated"),
        ("/auth/revoke", {}, 400, "invalid_request"),
        ("/auth/revoke", {"refresh_token": 1}, 400, "invalid_request"),
        ("/auth/refresh", {"refresh_token": "x" * 70_000}, 413, "too_large"),
        ("/auth/refresh", {"refresh_token": "x" * 9000}, 400, "invalid_request"),
    ]
    for path, body, status, word in bad:
        problem(post(server, path, body), status, word)
    assert post(server, "/auth/poll", {"device_code": code})[1]["status"] == "complete"
    problem(post(server, "/auth/poll", {"device_code": code}), 400, "invalid_device_code")


def sign(person, text, namespace="steadystate-login"):
    done = subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", person.key], input=text.encode(),
                          capture_output=True, check=True, timeout=30)
    return done.stdout.decode()


def test_sshkey(server):
    anna, bert = server.person("anna"), server.person("bert")
    flow = post(server, "/auth/device?provider=sshkey")[1]
    assert flow["challenge"] and flow["expires_in"] <= 120 and flow["interval"] >= 1

    def poll(login, signature, code=None):
        return post(server, "/auth/poll", {"device_code": code or flow["device_code"], "login": login,
                                           "signature": signature})

    assert post(server, "/auth/poll", {"device_code": flow["device_code"]})[1]["status"] == "pending"
    good = sign(anna, flow["challenge"])
    other = post(server, "/auth/device?provider=sshkey")[1]
    problem(poll("bert", good), 400, "access_denied")
    problem(poll("nobody", good), 400, "access_denied")
    problem(poll("anna", sign(bert, flow["challenge"])), 400, "access_denied")
    problem(poll("anna", sign(anna, flow["challenge"], "file")), 400, "access_denied")
    problem(poll("anna", sign(anna, "another text")), 400, "access_denied")
    problem(poll("anna", good, other["device_code"]), 400, "access_denied")
    problem(poll("anna", good.replace("A", "B")), 400, "access_denied")
    problem(poll("anna", ""), 400, "access_denied")
    problem(poll("a b", good), 400, "access_denied")
    problem(poll("anna", "x" * 20000), 400, "invalid_request")
    status, answer, _ = poll("anna", good)
    assert status == 200 and answer["login"] == "anna" and answer["provider"] == "sshkey"
    problem(poll("anna", good), 400, "invalid_device_code")  # single use
    # a key that was taken out of the file lets nobody in any more
    lines = server.users_file.read_text().splitlines(keepends=True)
    server.users_file.write_text("".join(line for line in lines if not line.startswith("anna ")))
    flow = post(server, "/auth/device?provider=sshkey")[1]
    problem(poll("anna", sign(anna, flow["challenge"])), 400, "access_denied")


def test_every_key_type(server):
    person = server.person("anna")
    for kind, bits in (("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("rsa", "3072")):
        key = person.directory / f"key-{kind}-{bits}"
        steady.run("ssh-keygen", "-q", "-t", kind, "-b", bits, "-N", "", "-f", key)
        with open(server.users_file, "a", encoding="ascii") as users:
            users.write('anna ' + key.with_name(key.name + '.pub').read_text())
        flow = post(server, "/auth/device?provider=sshkey")[1]
        done = subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "steadystate-login", "-f", key],
                              input=flow["challenge"].encode(), capture_output=True, check=True, timeout=30)
        answer = post(server, "/auth/poll", {"device_code": flow["device_code"], "login": "anna",
                                             "signature": done.stdout.decode()})
        assert answer[0] == 200 and answer[1]["status"] == "complete", (kind, bits, answer)


def test_fake_needs_exactly_one(server_of):
    server = server_of("local", ENABLE_FAKE_AUTH="0")
    problem(post(server, "/auth/device?provider=fake"), 400, "not_supported")


def test_rate_limits(server_of):
    server = server_of("local", RATE_LIMIT_AUTH_PER_MIN="5", RATE_LIMIT_TOKEN_PER_MIN="2",
                       RATE_LIMIT_DEFAULT_PER_MIN="40", RATE_LIMIT_TRUST_FORWARDED="1")

    def burst(path, n, address):
        return [post(server, path, {}, headers={"X-Forwarded-For": f"10.9.9.9, {address}"}) for _ in range(n)]

    answers = burst("/auth/poll", 6, "192.0.2.1")
    assert [a[0] for a in answers] == [400] * 5 + [429]
    problem(answers[-1], 429, "rate_limited")
    assert 1 <= int(answers[-1][2]["Retry-After"]) <= 13
    assert burst("/auth/poll", 1, "192.0.2.2")[0][0] == 400
    assert [a[0] for a in burst("/auth/token", 3, "192.0.2.3")] == [400, 400, 429]
    statuses = [server.request("GET", "/sessions", headers={"X-Forwarded-For": "2001:db8::1"})[0] for _ in range(41)]
    assert statuses == [401] * 40 + [429]
    assert server.request("GET", "/sessions", headers={"X-Forwarded-For": "2001:db8::2"})[0] == 429
    assert server.request("GET", "/sessions", headers={"X-Forwarded-For": "2001:db8:0:1::2"})[0] == 401
