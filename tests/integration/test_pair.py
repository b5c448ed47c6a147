"""Covers: pair mode and `steadystate pair`: one terminal for all, roles, watching, approval, kick,
sizes, who is credited, under an agent of its own and a whole server, locally and in containers.
Not covered: what a person sees of it on the dashboard."""

import json
import os

import pytest

import agentlib
import steady
from screens import Screens

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="starts agents as another account")


@pytest.fixture
def screens(place):
    made = Screens(place)
    yield made
    made.close()


@pytest.fixture
def repository(place, local_account):
    bare, work = place / "proj.git", place / "work"
    steady.git("init", "-q", "--bare", "-b", "main", bare)
    steady.git("init", "-q", "-b", "main", work)
    (work / "README.md").write_text("one\ntwo\n")
    steady.git("add", "-A", cwd=work)
    steady.git("commit", "-q", "-m", "first", cwd=work)
    steady.git("push", "-q", bare, "HEAD:main", cwd=work)
    steady.run("chown", "-R", local_account, bare)
    return bare


@pytest.fixture
def people(place):
    return [agentlib.Key(place, name) for name in ("ann", "bob", "cid")]


@pytest.fixture
def agent_of(place, local_account, repository, people):
    made = []

    def make(mode="pair", **members):
        agent = agentlib.LocalAgent(place, people, repository, local_account, mode=mode, **members)
        agent.spec["session_branch"] = f"steadystate/{mode}/{agent.spec['id']}"
        (agent.root / "spec.json").write_text(json.dumps(agent.spec))
        made.append(agent)
        return agent.ready()

    yield make
    for agent in made:
        agent.close()


def test_two_type_in_one_terminal(agent_of, people, screens):
    agent = agent_of()
    ann, bob, _ = people
    first = screens.open(agent.ssh.argv(ann, options=["-t"]))
    first.wait("$ ")
    second = screens.open(agent.ssh.argv(bob, options=["-t"]))
    second.wait("$ ")
    first.type("echo from-$((40+2))-ann")
    second.wait("from-42-ann")
    second.type("echo from-$((40+3))-bob; pwd")
    first.wait("from-43-bob")
    first.wait(f"{agent.root}/home/pair/.worktree/proj")
    first.wait("ann*")
    first.wait("bob")
    second.keys("C-b", "d")
    assert second.ended() == 0
    first.type("echo still-$((1+1))")
    first.wait("still-2")
