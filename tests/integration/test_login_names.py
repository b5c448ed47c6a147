"""Login by SSH key through the names that a server has: a signature is bound to the server that was
dialled, so one that is passed along by another server is no good.

Covers: loopback, the machine's own address, a reverse proxy (declared and not), a published port in
front, TLS by the server itself, plain signatures of scripts, a hostile server that passes a challenge
along. Under compose: test_compose.py.
"""

import http.server
import ssl
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

import steady


class Relay(http.server.ThreadingHTTPServer):
    """Passes every request on and the answer back: what a reverse proxy does, and a hostile server."""

    daemon_threads = True

    def __init__(self, target, address="127.0.0.1"):
        super().__init__((address, 0), _Relaying)
        self.target = target
        self.address = address
        self.answers = []
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    @property
    def url(self):
        return f"http://{self.address}:{self.server_port}"

    def close(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class _Relaying(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        request = urllib.request.Request(self.server.target + self.path, data=body, method="POST")
        request.add_header("Content-Type", self.headers["Content-Type"] or "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, content, headers = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            status, content, headers = error.code, error.read(), error.headers
        self.server.answers.append((self.path, status, content))
        self.send_response(status)
        self.send_header("Content-Type", headers["Content-Type"])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def relay():
    made = []

    def make(target, *argv):
        made.append(Relay(target, *argv))
        return made[-1]

    yield make
    for one in made:
        one.close()


def somebody(server):
    """In the users file, not logged in yet."""
    anna = steady.Person(server, server.directory / "people" / "anna", "anna")
    with open(server.users_file, "a", encoding="ascii") as users:
        users.write(f"anna {anna.public_key}\n")
    return anna


def log_in(person, url, check=True):
    return person.cli("login", "--provider", "sshkey", "--server", url, "-i", person.key, "--login", person.login,
                      check=check)


def unknown_names(server):
    return server.log().count("does not know")


def by_script(server, person, namespace, request=None):
    """As a script logs in: ssh-keygen over exactly the challenge."""
    request = request or server.request
    flow = request("POST", "/auth/device?provider=sshkey")[1]
    done = subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", person.key],
                          input=flow["challenge"].encode(), capture_output=True, check=True, timeout=30)
    return request("POST", "/auth/poll", {"device_code": flow["device_code"], "login": person.login,
                                          "signature": done.stdout.decode()})


def test_default_settings(server_of, relay):
    """Nothing is configured: every way in works; a name that cannot be the server's is told in the log."""
    server = server_of("local", STEADYSTATE_EXTERNAL_HOST="build.example.org")
    anna = server.person("anna")
    log_in(anna, f"http://localhost:{server.port}")
    log_in(anna, relay(server.url).url)  # a proxy, or a published port, on the same machine
    assert by_script(server, anna, "steadystate-login")[0] == 200
    assert by_script(server, anna, "steadystate-login:https://build.example.org")[0] == 200
    assert unknown_names(server) == 0
    assert by_script(server, anna, "steadystate-login:https://proxy.example.net")[0] == 200
    assert unknown_names(server) == 1 and "STEADYSTATE_PUBLIC_URL" in server.log()
    for wrong in ("steadystate-login:", "steadystate-loginx", "steadystate-login:nonsense", "file"):
        status, answer, _ = by_script(server, anna, wrong)
        assert status in (400, 403), (wrong, answer)


def test_lan_address(server_of, forge, relay):
    """All addresses of the machine, as in a container with a published port."""
    server = server_of("local", STEADYSTATE_BIND="0.0.0.0", STEADYSTATE_ALLOW_HTTP="1")
    anna = server.person("anna")
    log_in(anna, f"http://{forge.gateway}:{server.port}")
    log_in(anna, relay(server.url, forge.gateway).url)
    assert unknown_names(server) == 0


def test_passed_along(server_of, relay):
    """Public names are configured: a hostile server cannot use what it is given."""
    server = server_of("local", start=False)
    server.environment["STEADYSTATE_PUBLIC_URL"] = f"https://build.example.org,{server.url}"
    anna = server.start().person("anna")  # at its own name
    hostile = relay(server.url)
    done = log_in(anna, hostile.url, check=False)
    assert done.returncode == 5, done.stderr
    assert hostile.url in done.stderr and "STEADYSTATE_PUBLIC_URL" in done.stderr
    # it did pass the challenge and the signature along, and was given nothing for it
    assert [(path, status) for path, status, _ in hostile.answers] == [
        ("/auth/device?provider=sshkey", 200), ("/auth/poll", 403)]
    assert b'"wrong_server"' in hostile.answers[-1][2] and b"jwt" not in hostile.answers[-1][2]
    # nor does a script that binds its signature to nothing get in
    assert by_script(server, anna, "steadystate-login")[0] == 403
    assert by_script(server, anna, "steadystate-login:https://build.example.org")[0] == 200
    log_in(anna, server.url)


def test_behind_a_proxy(server_of, relay):
    """As docs/self-hosting.md sets it up, with the proxy's name."""
    server = server_of("local", start=False, RATE_LIMIT_TRUST_FORWARDED="1")
    proxy = relay(server.url)
    server.environment["STEADYSTATE_PUBLIC_URL"] = proxy.url
    anna = somebody(server.start())
    log_in(anna, proxy.url)
    assert log_in(anna, server.url, check=False).returncode == 5


def test_tls(server_of, place):
    """The names of the certificate are the server's own."""
    certificate, key = place / "cert.pem", place / "key.pem"
    steady.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days",
               "2", "-subj", "/CN=x", "-addext", "subjectAltName=DNS:build.example.org,IP:127.0.0.1")
    key.chmod(0o600)
    server = server_of("local", start=False, STEADYSTATE_TLS_CERT=str(certificate), STEADYSTATE_TLS_KEY=str(key))
    server.start(wait=False)
    anna = somebody(server)
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(certificate))))
    plain_open, server.url = urllib.request.urlopen, f"https://127.0.0.1:{server.port}"
    urllib.request.urlopen = lambda request, timeout: opener.open(request, timeout=timeout)
    try:
        steady.wait_for(server.is_up, 30, "the server to answer")
        port = server.port
        assert by_script(server, anna, f"steadystate-login:https://build.example.org:{port}")[0] == 200
        assert by_script(server, anna, f"steadystate-login:https://127.0.0.1:{port}")[0] == 200
        assert by_script(server, anna, "steadystate-login")[0] == 200
        assert by_script(server, anna, "steadystate-login:https://evil.example")[0] == 403
        assert by_script(server, anna, "steadystate-login:http://build.example.org")[0] == 403
    finally:
        urllib.request.urlopen = plain_open
    server.stop()
