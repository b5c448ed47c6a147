"""A hunt for planted secrets by a collaborator inside a container session.

Covers: the creator's forge token (as it is and as git sends it), which has fetched a private submodule too,
refresh tokens, JWTs, the server's own secrets and the host key, looked for in the environment and command line of every process, every file that
can be read, git's configuration, the logs, and every answer of the API and of the agent's socket that a
collaborator can get, before, while and after the creator publishes.
Not covered: memory of other processes, which ptrace rules and capabilities keep shut (test_image.py).
"""

import base64
import json
import secrets
import subprocess
import threading

import pytest

import steady

# What a collaborator can read of processes; every file; what git says. Patterns come on stdin.
PROCESSES = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/[0-9]*/status 2>/dev/null; true"
FILES = ("timeout 60 grep -rlaF -D skip -f - --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev / 2>/dev/null; true")
LOOSE = ("cd \"$USER_WORKSPACE\"; env; git config -l --show-origin; git remote -v; "
         "git --git-dir=\"$CANONICAL_REPO\" config -l; git --git-dir=\"$REPO_ROOT/repo\" config -l; "
         "cat \"$REPO_ROOT\"/*.json \"$REPO_ROOT\"/*-log /proc/self/mountinfo; ls -laR \"$REPO_ROOT\"; "
         "steadystate status --json; steadystate credit README.md; true")


def log_in(server, forge, login):
    """The answer of a device login and the forge's two tokens behind it."""
    flow = server.request("POST", "/auth/device?provider=gitlab")[1]
    forge.change("approvals", flow["user_code"], login)
    def look():
        answer = server.request("POST", "/auth/poll", {"device_code": flow["device_code"]})[1]
        return answer if answer.get("status") == "complete" else None
    return steady.wait_for(look, 30, "the login")


@pytest.mark.parametrize("kind", ["podman", "docker"])
def test_hunt(server_of, forge, place, kind):
    people = {}
    client_secret, jwt_secret = secrets.token_hex(20), secrets.token_hex(20)
    environment = forge.environment("gitlab", secret=client_secret)
    forge_tokens = place / "forge-tokens"
    forge_tokens.touch(0o600)
    other_token = secrets.token_hex(20)
    forge_tokens.write_text(f"elsewhere.example {other_token}\n")
    server = server_of(kind, JWT_SECRET=jwt_secret, STEADYSTATE_FORGE_TOKENS_FILE=str(forge_tokens), **environment)
    for number, login in enumerate(("anna", "bert"), 1):
        people[login] = steady.Person(server, place / login, login)
        forge.add_person(login, number, [people[login].public_key])
    forge.repository("team/lib", {"lib.txt": "lib\n"})
    repository = forge.repository("team/project", {
        "README.md": "# project\n", ".gitmodules": '[submodule "lib"]\n\tpath = lib\n\turl = ../lib.git\n'},
        gitlinks={"lib": forge.commit("team/lib")})
    forge.configure(private=["team/project", "team/lib"], open_push=False,
                    collaborators={"team/project": {"anna": "push", "bert": "push"}})
    anna, bert = log_in(server, forge, "anna"), log_in(server, forge, "bert")
    info = server.request("POST", "/sessions", {"repo_url": repository}, token=anna["jwt"])[1]
    path = f"/sessions/{info['id']}"
    def running():
        now = server.request("GET", path, token=anna["jwt"])[1]
        assert now["state"] != "Failed", now
        return now if now["state"] == "Running" else None
    session = steady.Session(steady.wait_for(running, 120, "the session"))
    try:
        hunt(server, forge, session, people, path, bert["jwt"],
             [client_secret, jwt_secret, other_token, anna["jwt"], anna["refresh_token"], bert["refresh_token"],
              (server.state / "token-key").read_text().strip()])
    finally:
        server.request("DELETE", path, token=anna["jwt"])
        steady.wait_for(lambda: server.request("GET", path, token=anna["jwt"])[1]["state"] == "Terminated", 90,
                        "the end")


def hunt(server, forge, session, people, path, berts_jwt, planted):
    anna, bert = people["anna"], people["bert"]
    # what the forge gave: seen in its own log of requests, in both forms
    tokens = {r["authorization"].split()[1] for r in forge.requests() if (r["authorization"] or "").startswith("Bearer")}
    basics = {r["authorization"].split()[1] for r in forge.requests() if (r["authorization"] or "").startswith("Basic")}
    assert tokens and basics
    planted = [*planted, *tokens, *basics, *(base64.b64decode(b).decode() for b in basics)]
    database = (server.state / "steadystate.db").read_bytes()
    assert not [t for t in (*tokens, *basics) if t.encode() in database]

    def check(text, where):
        assert text.strip(), where
        assert not [secret for secret in planted if secret in text], where

    # The token has fetched a private submodule for everybody, who can read the mirror and not write it.
    assert bert.ssh(session, 'cd "$USER_WORKSPACE" && cat lib/lib.txt && git status --porcelain').stdout == "lib\n"
    assert bert.ssh(session, 'ls "$REPO_ROOT/submodules/0/objects" >/dev/null && ! touch "$REPO_ROOT/submodules/x" '
                             '"$REPO_ROOT/submodules/0/config"', check=False).returncode == 0
    # The hunt finds what is there to be found.
    marker = secrets.token_hex(16)
    bert.write(session, "marker", marker + "\n")
    assert "marker" in bert.ssh(session, FILES, input=marker + "\n").stdout
    found = bert.ssh(session, f"MARKER={marker} sh -c '{PROCESSES}'").stdout
    assert marker in found and "steadystate-agent" in found

    def look_around(when):
        check(bert.ssh(session, PROCESSES).stdout, f"{when}: processes")
        check(bert.ssh(session, LOOSE).stdout, f"{when}: git and logs")
        patterns = "\n".join(planted) + "\n"
        files = [f for f in bert.ssh(session, FILES, input=patterns).stdout.split("\n") if f]
        assert files == [], f"{when}: {files}"

    look_around("before")
    # While the token is in use: somebody watches every process that comes and goes.
    seen = []
    watch = subprocess.Popen(["ssh", *bert.ssh_argv(session), "-p", str(session.port), f"{session.user}@{session.host}",
                              f"while read -t 0.01 line || [ $? -gt 128 ]; do {PROCESSES}; done"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="replace")
    reader = threading.Thread(target=lambda: seen.append(watch.stdout.read()))
    reader.start()
    for n in range(3):
        anna.write(session, f"file{n}", "x\n")
        anna.ssh(session, 'cd "$USER_WORKSPACE" && steadystate publish')
    watch.stdin.close()
    reader.join(60)
    watch.wait(10)
    watch.stdout.close()
    check(seen[0], "while publishing")
    assert forge.show("team/project", session.branch, "file2") == "x\n"
    look_around("after")

    for endpoint in ("/sessions", path, path + "/members", "/archives", "/auth/me", "/health"):
        _, answer, _ = server.request("GET", endpoint, token=berts_jwt)
        check(json.dumps(answer), endpoint)
    check(server.log(), "the server's log")
    host_key = "OPENSSH PRIVATE KEY"
    assert host_key not in bert.ssh(session, LOOSE).stdout
    assert bert.ssh(session, 'cat "$REPO_ROOT"/ssh/host_key "$REPO_ROOT"/ssh/authorized_keys', check=False).stdout == ""
