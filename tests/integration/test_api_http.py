"""The HTTP side of the API: methods, media types, sizes, malformed requests, TLS, CORS, slow clients.

Covers: what every endpoint has in common, on the running server. Not covered: the endpoints' own
fields (test_api_auth, test_api_sessions).
"""

import contextlib
import os
import re
import socket
import ssl
import subprocess
import urllib.request

import pytest

import steady


@pytest.fixture
def server(server_of):
    return server_of("local")


def raw(server, text, timeout=60):
    """The first answer to these bytes, or what there is of one. The server may not notice that we have
    ended our side together with the last bytes; then its limit of 30 s for a silent client counts."""
    with socket.create_connection(("127.0.0.1", server.port), timeout) as s:
        data = b""
        with contextlib.suppress(OSError):  # the server may end it before everything is sent
            s.sendall(text if isinstance(text, bytes) else text.encode("latin-1"))
            s.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while not is_complete(data) and (part := s.recv(65536)):
                data += part
        return data.decode("latin-1")


def is_complete(data):
    head, end, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(end and length and len(body) >= int(length[1]))


ROUTES = {
    "/health": ["GET"], "/health/checks": ["GET"], "/auth/device": ["POST"], "/auth/poll": ["POST"], "/auth/token": ["POST"],
    "/auth/refresh": ["POST"], "/auth/revoke": ["POST"], "/auth/me": ["GET"], "/sessions": ["GET", "POST"],
    "/sessions/aaaaaaaaaaaaaaaaaaaa": ["DELETE", "GET"], "/sessions/aaaaaaaaaaaaaaaaaaaa/extend": ["POST"],
    "/sessions/aaaaaaaaaaaaaaaaaaaa/members": ["GET"], "/sessions/aaaaaaaaaaaaaaaaaaaa/refresh": ["POST"],
    "/sessions/aaaaaaaaaaaaaaaaaaaa/kick": ["POST"], "/archives": ["GET"], "/archives/aaaaaaaaaaaaaaaaaaaa": ["GET"],
}


def test_methods(server):
    for path, methods in ROUTES.items():
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            status, body, headers = server.request(method, path, {} if method in ("POST", "PUT", "PATCH") else None)
            if method in methods:
                assert status != 405, (method, path, body)
                continue
            assert status == 405 and body["error"] == "method_not_allowed", (method, path, body)
            allowed = set(headers["Allow"].split(", "))
            assert allowed == set(methods) | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        assert server.request("OPTIONS", path)[0] == 204
    for path in ("/", "/nope", "/sessions/", "//sessions", "/sessions/a/b/c", "/health/x", "/auth"):
        status, body, _ = server.request("GET", path)
        assert (status, body["error"]) == (404, "not_found"), path


def test_only_json(server):
    def send(content_type, data, **headers):
        request = urllib.request.Request(server.url + "/auth/poll", data=data, method="POST", headers=headers)
        if content_type:
            request.add_header("Content-Type", content_type)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    body = b'{"device_code":"x"}'
    for good in ("application/json", "application/json; charset=utf-8", "Application/JSON;x=y"):
        assert send(good, body) == 400  # understood: there is no such code
    for bad in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/json5",
                "multipart/form-data; boundary=x", "text/json"):
        assert send(bad, body) == 415
    assert send("application/json", body, **{"Content-Encoding": "gzip"}) == 415
    for text in (b"", b"{", b"[]", b"7", b'"x"', b"null", b"{}{}", b"\xff\xfe{\x00}\x00", b'{"a":"\xff"}',
                 b'{"a":' * 1000, b"[" * 60000, b"{'a':1}", b'{"a":1,}', b"{a:1}", b"NaN",
                 b'{"device_code":"x","device_code":"x"}', b'{"device_code":"\\ud800"}'):
        assert send("application/json", text) == 400, text[:40]


def test_sizes(server):
    status, body, _ = server.request("POST", "/sessions", b" " * 65537, token="x")
    assert (status, body["error"]) == (413, "too_large")
    for path in ("/auth/poll", "/auth/token", "/auth/refresh", "/auth/revoke"):
        status, body, _ = server.request("POST", path, b'{"a":"' + b"x" * (65536 - 8) + b'"}')
        assert (status, body["error"]) == (400, "invalid_request"), path
    status, body, _ = server.request("POST", "/auth/poll", b" " * 65537)
    assert (status, body["error"]) == (413, "too_large")
    status, body, _ = server.request("POST", "/auth/poll", b" " * 900_000)
    assert (status, body["error"]) == (413, "too_large")
    big = "POST /auth/poll HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{"
    assert " 413 " in raw(server, big)
    chunk = "400\r\n" + " " * 1024 + "\r\n"
    head = "POST /auth/poll HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    assert " 413 " in raw(server, head + "Transfer-Encoding: chunked\r\n\r\n" + chunk * 70 + "0\r\n\r\n")
    for size in (9000, 100_000, 3_000_000):
        answer = raw(server, f"GET /health HTTP/1.1\r\nHost: x\r\nX-A: {'a' * size}\r\n\r\n")
        assert " 200 " not in answer[:20]
    answer = raw(server, f"GET /{'a' * 100_000} HTTP/1.1\r\nHost: x\r\n\r\n")
    assert " 200 " not in answer[:20]
    assert server.request("GET", "/health")[0] == 200


def test_malformed_requests(server):
    for text in ("", "\r\n\r\n", "GET\r\n\r\n", "GET /health\r\n\r\n", "GET /health HTTP/9.9\r\nHost: x\r\n\r\n",
                 "GET /health HTTP/1.1\r\n\r\n",
                 "GET /health%00 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /health%0d%0aX:y HTTP/1.1\r\nHost: x\r\n\r\n",
                 "GET /hea%zzlth HTTP/1.1\r\nHost: x\r\n\r\n", "GET /h\xe4lth HTTP/1.1\r\nHost: x\r\n\r\n",
                 "POST /auth/poll HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                 "POST /auth/poll HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n{}",
                 "POST /auth/poll HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
                 "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + "\x00" * 100):
        assert not raw(server, text).startswith("HTTP/1.1 200"), text
    assert server.request("GET", "/health")[0] == 200


def test_malformed_requests_get_a_problem(server):
    head = "POST /auth/poll HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    for text, status in (("GET /health HTTP/1.1\r\n\r\n", 400), ("GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
                         ("GET /a b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400),
                         (head + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
                         (head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
                         (head + "Transfer-Encoding: gzip\r\n\r\n", 501),
                         ("POST /auth/device?provider=fake&provider=fake HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400),
                         (f"GET /{'a' * 20_000} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 431)):
        answer = raw(server, text)
        assert answer.startswith(f"HTTP/1.1 {status} "), (text, answer)
        assert "X-Request-Id: " in answer and "application/problem+json" in answer, answer
    assert raw(server, "GET http://x/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith("HTTP/1.1 200")


def test_headers_cannot_be_injected(server):
    for path in ("/sessions/%0d%0aSet-Cookie:%20x=y", "/auth/device?provider=%0d%0aX-Evil:%201"):
        answer = raw(server, f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert "Set-Cookie" not in answer.split("\r\n\r\n")[0] and "X-Evil" not in answer.split("\r\n\r\n")[0]


def test_common_headers(server):
    ids = set()
    for path in ("/health", "/nope", "/sessions"):
        _, _, headers = server.request("GET", path)
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert not [name for name in headers if name.lower().startswith("access-control")]
        ids.add(headers["X-Request-Id"])
    assert len(ids) == 3


def test_head(server):
    status, body, headers = server.request("HEAD", "/health")
    assert status == 200 and body == "" and int(headers["Content-Length"]) > 0


def test_slow_and_idle_clients_hold_nobody_up(server):
    idle = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(150)]
    for s in idle[:75]:
        s.sendall(b"POST /auth/poll HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    for s in idle[75:]:
        s.sendall(b"GET /hea")
    assert server.request("GET", "/health", timeout=5)[0] == 200
    for s in idle:
        s.close()
    assert server.request("GET", "/health", timeout=5)[0] == 200


def test_one_address_cannot_take_every_connection(server):
    held = []
    try:
        for _ in range(400):
            held.append(socket.create_connection(("127.0.0.1", server.port), 10))
    except OSError:
        pass
    for s in held:
        s.close()
    steady.wait_for(lambda: server.is_up(), 20, "the server to answer again")


def test_cors(server_of):
    server = server_of("local", STEADYSTATE_CORS_ORIGINS="https://ui.example")
    origin = {"Origin": "https://ui.example"}
    _, _, headers = server.request("OPTIONS", "/sessions", headers={**origin, "Access-Control-Request-Method": "POST"})
    assert headers["Access-Control-Allow-Origin"] == "https://ui.example"
    assert "POST" in headers["Access-Control-Allow-Methods"]
    assert "Authorization" in headers["Access-Control-Allow-Headers"]
    assert server.request("GET", "/health", headers=origin)[2]["Access-Control-Allow-Origin"] == "https://ui.example"
    for other in ("https://evil.example", "null", "https://ui.example.evil.example", "http://ui.example"):
        assert "Access-Control-Allow-Origin" not in server.request("GET", "/health", headers={"Origin": other})[2]


def test_tls(server_of, place):
    certificate, key = place / "cert.pem", place / "key.pem"
    steady.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days",
               "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    key.chmod(0o600)
    link = place / "link.pem"  # as certificate clients arrange them
    link.symlink_to(certificate)
    server = server_of("local", start=False, STEADYSTATE_TLS_CERT=str(link), STEADYSTATE_TLS_KEY=str(key))
    server.start(wait=False)
    context = ssl.create_default_context(cafile=str(certificate))

    def answers():
        assert server.process.poll() is None, server.log()
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{server.port}/health", timeout=5, context=context) as answer:
                return answer.headers
        except urllib.error.HTTPError:
            return None
        except OSError:
            return None

    headers = steady.wait_for(answers, 30, "https")
    assert headers["Strict-Transport-Security"]
    old = steady.run("openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-tls1_1", "-cipher",
                     "ALL:@SECLEVEL=0", check=False)
    assert old.returncode != 0
    server.stop()


def refused(directory, *argv, **environment):
    done = subprocess.run([steady.BUILD / "steadystated", *argv], capture_output=True, text=True, timeout=30, check=False,
                          env={"PATH": os.environ["PATH"], "HOME": str(directory), **environment})
    return done


def test_configuration(place):
    """Bad configuration ends the server at once with one line that names the variable."""
    bad = {
        "STEADYSTATE_PORT": "x", "STEADYSTATE_BIND": "0.0.0.0", "STEADYSTATE_NO_SUCH_THING": "1", "JWT_SECRET": "short",
        "ENABLE_FAKE_AUTH": "yes", "STEADYSTATE_PROVIDER": "vm", "STEADYSTATE_SSH_PORTS": "5-1",
        "STEADYSTATE_USERS_FILE": "/nonexistent", "STEADYSTATE_TLS_CERT": "/nonexistent",
        "STEADYSTATE_SESSION_SUBNETS": "10.0.0.0", "STEADYSTATE_LOG": "loud", "STEADYSTATE_DATABASE": "mysql://x",
        "RATE_LIMIT_AUTH_PER_MIN": "-1", "STEADYSTATE_SESSION_MEMORY": "all", "STEADYSTATE_EXTERNAL_HOST": "a b",
        "STEADYSTATE_SESSION_IMAGE": "--privileged",
    }
    for name, value in bad.items():
        for argv in ((), ("--check-config",)):
            done = refused(place, *argv, **{name: value})
            assert done.returncode not in (0, None), (name, value)
            assert len(done.stderr.splitlines()) == 1 and name in done.stderr, done.stderr
    junk = place / "junk.pem"
    junk.write_text("junk")
    junk.chmod(0o600)
    done = refused(place, STEADYSTATE_TLS_CERT=str(junk), STEADYSTATE_TLS_KEY=str(junk), STEADYSTATE_PROVIDER="local",
                   STEADYSTATE_PORT=str(steady.free_port()))
    assert done.returncode == 1 and "STEADYSTATE_TLS_CERT" in done.stderr, done.stderr
    file = place / "server.conf"
    file.write_text("STEADYSTATE_PORT=9000\nJWT_SECRET=0123456789abcdef0123456789abcdef\nGITHUB_CLIENT_SECRET=hush\n")
    done = refused(place, "--config", str(file), "--check-config", STEADYSTATE_SSH_USER="someone")
    assert done.returncode == 0, done.stderr
    settings = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert settings["STEADYSTATE_PORT"] == "9000" and settings["STEADYSTATE_SSH_USER"] == "someone"
    assert settings["JWT_SECRET"] == "(set)" and "hush" not in done.stdout and "0123456789abcdef" not in done.stdout
    file.write_text("STEADYSTATE_PRT=9000\n")
    done = refused(place, "--config", str(file), "--check-config")
    assert done.returncode != 0 and "STEADYSTATE_PRT" in done.stderr
    documented = set(re.findall(r"`((?:STEADYSTATE|JWT|GITHUB|GITLAB|OIDC|RATE|REFRESH|ENABLE)_[A-Z_]+)`",
                                (steady.ROOT / "docs/configuration.md").read_text()))
    assert set(settings) <= documented, set(settings) - documented
