"""Odd and hostile repositories, and forges that are slow, broken or refuse.

Covers: trees that cannot be checked out safely (at the clone), a tree that unfolds to more files than anybody
has, links that lead out, names at the limit; each way a forge can fail during clone and during publish, with
the session as it was and working once the forge does. Not covered: the same on the published branch
(test_sync_basic), time limits of a silent forge (tests/unit/git/test_transport), tokens (test_agent_container).
"""

import os
import time

import pytest

import agentlib
import steady
import synclib

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="starts agents as another account")


@pytest.fixture
def agent_of(place, local_account):
    made = []

    def make(repository, logins=("ann",), **members):
        keys = [agentlib.Key(place, login) for login in logins]
        made.append(agentlib.LocalAgent(place, keys, repository, local_account, **members))
        return made[-1]

    yield make
    for agent in made:
        agent.close()


def failure(agent, **hello):
    """(reason, message) of a session that cannot start."""
    agent.start()
    agent.hello(**hello)
    event = agent.ctl.event("failed")
    return event["reason"], event["message"]


def tree_script(entries):
    """Shell that makes $t, a tree of raw entries (mode, name, variable with the id)."""
    lines = "".join(f"printf '{mode} {name}\\0' ; echo ${oid} | xxd -r -p; " for mode, name, oid in entries)
    return f"t=$({{ {lines} }} | git hash-object -t tree -w --stdin --literally)\n"


def commit_tree(origin, script):
    """Runs the script in the bare repository and puts its $t on main."""
    steady.run("sh", "-ec", "b=$(echo x | git hash-object -w --stdin)\n" + script
               + "git update-ref refs/heads/main $(git -c user.name=e -c user.email=e@x commit-tree -m bad $t)",
               cwd=origin, env={"PATH": os.environ["PATH"], "GIT_CONFIG_COUNT": "1",
                                "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"})


@pytest.mark.parametrize("name", [".git", ".GIT", ".gIt", "..", ".", "git~1", ".git ", "a/b", "n" * 300, "\\342\\200\\214.git"])
def test_trees_that_nobody_may_check_out(name, agent_of, place, local_account):
    origin = synclib.make_origin(place, local_account)
    inner = tree_script([("100755", "post-checkout", "b")]) + "s=$t\n"
    commit_tree(origin, inner + tree_script([("40000", name, "s")]))
    steady.run("chown", "-R", local_account, origin)
    agent = agent_of(origin)
    reason, message = failure(agent)
    assert reason == "repository_refused", message
    assert message and "\n" not in message and len(message) < 512
    assert not (agent.root / "home/ann/.worktree").exists()


def test_a_small_repository_that_unfolds_without_end(agent_of, place, local_account):
    """Ten levels of ten times the same tree: a kilobyte that means ten thousand million files."""
    origin = synclib.make_origin(place, local_account)
    script = tree_script([("100644", f"f{i}", "b") for i in range(10)])
    for _ in range(10):
        script += "s=$t\n" + tree_script([("40000", f"d{i}", "s") for i in range(10)])
    commit_tree(origin, script)
    steady.run("chown", "-R", local_account, origin)
    reason, message = failure(agent_of(origin))
    assert reason == "repository_too_large", message


def test_links_that_lead_out_stay_links(agent_of, place, local_account):
    outside = place / "outside"
    outside.write_text("not yours\n")
    outside.chmod(0o666)
    origin = synclib.make_origin(
        place, local_account, {"README.md": "one\n"},
        f"ln -s {outside} out; ln -s ../../../../.. up; ln -s / root; mkdir d; echo x >d/f; ln -s {'a' * 255} long;"
        f"echo n >{'n' * 255}")
    agent = agent_of(origin).ready()
    (key,) = agent.people
    kinds = agent.ssh.out(key, "readlink out up root long; stat -c %F d; cat " + "n" * 255).split("\n")
    assert kinds == [str(outside), "../../../../..", "/", "a" * 255, "directory", "n", ""]
    # Instead of the link a file, and instead of a directory a link out: what is behind it is never written.
    agent.ssh.run(key, f"rm out; echo mine >out; rm -r d; ln -s {place} d; PATH={steady.BUILD}:$PATH steadystate sync")
    assert outside.read_text() == "not yours\n" and not (place / "f").exists()
    assert agent.ssh.out(key, "git status --porcelain; cat out") == "mine\n"


FAULTS = [({"kind": "status", "status": 404}, "repository_not_found"),
          ({"kind": "status", "status": 401}, "authentication_required"),
          ({"kind": "status", "status": 403}, "repository_refused"),
          ({"kind": "status", "status": 500}, "repository_unreachable"),
          ({"kind": "status", "status": 503}, "repository_unreachable"),
          ({"kind": "status", "status": 429}, "repository_unreachable"),
          ({"kind": "reset"}, "repository_unreachable"),
          ({"kind": "redirect", "location": "http://169.254.169.254/latest"}, "repository_refused")]


@pytest.mark.parametrize("fault, reason", FAULTS, ids=[f"{f['kind']}{f.get('status', '')}" for f, _ in FAULTS])
def test_a_forge_that_fails_the_clone(fault, reason, agent_of, forge):
    url = forge.repository("team/project")
    forge.configure(fault=fault)
    got, message = failure(agent_of(url, allow_local_repos=False, allowed_hosts=[forge.host]))
    assert got == reason, message
    assert message and "\n" not in message


def test_a_forge_that_is_not_there(agent_of, forge):
    url = forge.repository("team/project")
    forge.stop()
    assert failure(agent_of(url, allow_local_repos=False, allowed_hosts=[forge.host]))[0] == "repository_unreachable"


def test_a_slow_forge_is_waited_for(agent_of, forge):
    url = forge.repository("team/project")
    forge.configure(fault={"kind": "slow", "seconds": 1.5})
    begun = time.monotonic()
    agent = agent_of(url, allow_local_repos=False, allowed_hosts=[forge.host]).ready()
    assert time.monotonic() - begun > 1.5
    assert agent.ssh.out(agent.people[0], "cat README.md") == "# project\n"


def test_publish_to_a_forge_that_fails(agent_of, forge):
    """The branch stays in the session, and the next publish is whole."""
    url = forge.repository("team/project")
    agent = agent_of(url, allow_local_repos=False, allowed_hosts=[forge.host]).ready()
    (key,) = agent.people
    command = f"PATH={steady.BUILD}:$PATH steadystate publish"
    for i, (fault, _) in enumerate(FAULTS):
        agent.ssh.run(key, f"echo {i} >>work")
        forge.configure(fault=fault)
        done = agent.ssh.run(key, command, check=False)
        assert done.returncode != 0 and "steadystate: cannot publish: " in done.stderr, (fault, done.stderr)
        assert agent.spec["session_branch"] not in forge.branches("team/project")
    forge.configure(fault=None)
    agent.ssh.run(key, command)
    assert forge.show("team/project", agent.spec["session_branch"], "work") == "".join(f"{i}\n" for i in range(len(FAULTS)))
