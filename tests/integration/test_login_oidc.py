"""Login with a real OpenID provider by the device flow.

Covers: approval and refusal through the provider's own pages, a client secret that must be encoded,
slow_down, key rotation, tokens for somebody else, expired or of another issuer, identity by the subject.
Not covered: the JOSE rows one by one (tests/unit/auth/test_id_token.c).
"""

import re
import subprocess

import pytest

import oidc
import steady


@pytest.fixture
def openid():
    provider = oidc.OpenId()
    yield provider
    provider.stop()


def begin(server):
    status, flow, _ = server.request("POST", "/auth/device?provider=oidc")
    assert status == 200, flow
    assert re.fullmatch(r"[A-Z]{4}-[A-Z]{4}", flow["user_code"])
    assert flow["interval"] >= 1
    return flow


def poll(server, flow):
    status, answer, _ = server.request("POST", "/auth/poll", {"device_code": flow["device_code"]})
    return status, answer


def finish(server, flow):
    """The first answer that is neither pending nor slow_down; polls as fast as it likes."""
    def look():
        status, answer = poll(server, flow)
        return (status, answer) if status != 200 or answer["status"] == "complete" else None
    return steady.wait_for(look, 60, "the end of the login")


@pytest.mark.parametrize("client", ["public", "secret"])
def test_approved(server_of, openid, client):
    server = server_of("local", **openid.environment(client))
    flow = begin(server)
    assert poll(server, flow)[1]["status"] == "pending"
    openid.visit(flow["verification_uri_complete"], "alice")
    status, answer = finish(server, flow)
    assert (status, answer["login"], answer["provider"]) == (200, "alice", "oidc")
    assert server.request("GET", "/auth/me", token=answer["jwt"])[1] == {"login": "alice", "provider": "oidc"}
    # a code works once
    assert poll(server, flow)[0] == 400


@pytest.mark.parametrize("client", ["public", "secret"])
def test_secret_in_the_form_and_ec_keys(server_of, client):
    """A provider that takes secrets in the form only, and whose one key is P-256."""
    provider = oidc.OpenId("post")
    try:
        server = server_of("local", **provider.environment(client))
        flow = begin(server)
        provider.visit(flow["verification_uri_complete"], "alice")
        status, answer = finish(server, flow)
        assert (status, answer.get("login")) == (200, "alice"), answer
    finally:
        provider.stop()


def test_command_line(server_of, openid, place):
    """`login` prints page and code, and is done when the person is."""
    server = server_of("local", **openid.environment())
    environment = {"PATH": f"{steady.BUILD}:/usr/bin:/bin", "HOME": str(place), "STEADYSTATE_NO_KEYRING": "1",
                   "STEADYSTATE_CONFIG_DIR": str(place / "config")}
    with subprocess.Popen([steady.BUILD / "steadystate", "login", "--provider", "oidc", "--server", server.url,
                           "--no-browser"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as login:
        page = login.stderr.readline().split()[-1]
        code = login.stderr.readline().split()[-1]
        openid.visit(f"{page}?user_code={code}", "bob")
        out, _ = login.communicate(timeout=60)
    assert login.returncode == 0
    assert "as bob (oidc)" in out
    assert steady.run(steady.BUILD / "steadystate", "whoami", env=environment).stdout.startswith("bob (oidc)")


def test_denied(server_of, openid):
    server = server_of("local", **openid.environment())
    flow = begin(server)
    openid.visit(flow["verification_uri_complete"], "alice", approve=False)
    status, answer = finish(server, flow)
    assert (status, answer["error"]) == (400, "access_denied")


def test_slow_down_raises_the_interval(server_of, openid):
    server = server_of("local", **openid.environment())
    flow = begin(server)
    openid.command(slow=1)
    def slowed():
        answer = poll(server, flow)[1]
        return answer if answer["interval"] > flow["interval"] else None
    answer = steady.wait_for(slowed, 30, "the longer interval")
    assert answer["interval"] >= flow["interval"] + 5


@pytest.mark.parametrize("named", [True, False])
def test_key_rotation(server_of, openid, named):
    """Keys that changed are fetched anew when a token is signed by an unknown one, named or not."""
    server = server_of("local", **openid.environment())
    openid.command(spoil=None if named else "kid")
    for account in ("alice", "bob"):
        flow = begin(server)
        openid.visit(flow["verification_uri_complete"], account)
        assert finish(server, flow)[1].get("login") == account
        openid.command(rotate=True)


@pytest.mark.parametrize("where", ["/jwks", "/me"])
def test_person_unknown_after_approval(server_of, openid, where):
    """Keys or userinfo are down when the code is used up: the login waits for them."""
    server = server_of("local", **openid.environment())
    flow = begin(server)
    openid.command(down=where)
    openid.visit(flow["verification_uri_complete"], "alice")
    assert poll(server, flow)[1]["status"] == "pending"
    openid.command(down=None)
    assert finish(server, flow)[1].get("login") == "alice"


@pytest.mark.parametrize("what", ["aud", "exp", "iss"])
def test_spoiled_token(server_of, openid, what):
    server = server_of("local", **openid.environment())
    flow = begin(server)
    openid.command(spoil=what)
    openid.visit(flow["verification_uri_complete"], "alice")
    status, answer = finish(server, flow)
    assert (status, answer["error"]) == (400, "access_denied")


def test_provider_down(server_of, openid):
    server = server_of("local", **openid.environment())
    openid.stop()
    status, answer, _ = server.request("POST", "/auth/device?provider=oidc")
    assert (status, answer["error"]) == (502, "provider_unavailable")
