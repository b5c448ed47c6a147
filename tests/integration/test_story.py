"""The story of the README: login, up, join, edit, sync, publish, down, for each provider.

Covers: the commands as two people type them, plain ssh and join, the branch on the origin, archive
and removal. Not covered: merging of the same lines (test_sync_*), attacks (test_agent_*).
"""

import json

import pytest

import steady


@pytest.mark.parametrize("kind", ["local", "podman", "docker"])
def test_story(kind, server_of, forge):
    repository = forge.repository("team/project", {
        "README.md": "# project\n", "src/main.c": "int main(void)\n{\n    return 0;\n}\n"})
    server = server_of(kind)
    alice, bob = server.person("alice"), server.person("bob")

    session = alice.up(repository, "--allow", "bob")
    assert session.info["state"] == "Running"
    assert session.branch == f"steadystate/collab/{session.id}"

    # Everybody starts in their own worktree; the home has a link to it.
    assert alice.ssh(session, "ls; ls ~").stdout.split() == ["README.md", "src", "project"]
    joined = bob.cli("join", "-i", bob.key, session.link, "--", "echo $STEADYSTATE_USERNAME; exit 7", check=False)
    assert (joined.stdout, joined.returncode) == ("bob\n", 7), joined.stderr

    alice.write(session, "src/main.c", "int main(void)\n{\n    return 1;\n}\n")
    bob.write(session, "docs/notes.txt", "from bob\n")
    alice.sync(session)
    bob.sync(session)
    alice.sync(session)
    for person in (alice, bob):
        assert "return 1;" in person.read(session, "src/main.c")
        assert person.read(session, "docs/notes.txt") == "from bob\n"
        assert person.ssh(session, 'cd "$USER_WORKSPACE" && git status --porcelain').stdout == ""

    bob.ssh(session, 'cd "$USER_WORKSPACE" && steadystate publish')
    assert session.branch in forge.branches("team/project")
    assert forge.show("team/project", session.branch, "docs/notes.txt") == "from bob\n"
    assert "return 1;" in forge.show("team/project", session.branch, "src/main.c")

    listed = json.loads(alice.cli("list", "--json").stdout)["sessions"]
    assert [s["id"] for s in listed] == [session.id]
    alice.cli("down", session.link)
    gone = alice.ssh(session, "true", check=False)
    assert gone.returncode == 255
    assert server.sessions_left() == {}


def test_stranger_is_kept_out(server_of, forge):
    """Somebody who may not join sees neither the session nor its shell."""
    repository = forge.repository("team/project")
    server = server_of("local")
    alice, carol = server.person("alice"), server.person("carol")
    session = alice.up(repository, "--allow", "none")
    assert carol.ssh(session, "true", check=False).returncode == 255
    assert carol.cli("down", session.id, check=False).returncode == 4
    assert json.loads(carol.cli("list", "--json").stdout)["sessions"] == []


def test_missing_repository_fails_with_the_reason(server_of, forge):
    server = server_of("local")
    alice = server.person("alice")
    done = alice.cli("up", "--no-join", forge.url("team/nothing"), check=False)
    assert done.returncode == 1
    assert "not found" in done.stderr
    steady.wait_for(lambda: json.loads(alice.cli("list", "--json", "--state", "Running").stdout)["sessions"] == [])
