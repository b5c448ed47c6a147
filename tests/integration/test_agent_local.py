"""Covers: steadystate-agent and steadystate-wrapper under the local provider, driven over ctl.sock
and agent.sock as docs/protocols.md says: the ways in by ssh, scp, sftp, rsync and git; presence;
users that change; push, publish and archive; failures; restart on what is there.
Not covered: the server around it, and what only separate uids can keep apart (container tests)."""

import json
import os
import signal
import subprocess

import pytest

import agentlib
import steady
import synclib

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="starts agents as another account")


@pytest.fixture
def repository(place, local_account):
    files = {"README.md": "one\ntwo\n", "src/run.sh": "#!/bin/sh\necho ran\n"}
    return synclib.make_origin(place, local_account, files, "chmod +x src/run.sh")


@pytest.fixture
def ann(place):
    return agentlib.Key(place, "ann")


@pytest.fixture
def bob(place):
    return agentlib.Key(place, "bob")


@pytest.fixture
def agent_of(place, local_account, repository, ann, bob):
    made = []

    def make(**members):
        agent = agentlib.LocalAgent(place, members.pop("people", [ann, bob]), members.pop("repository", repository),
                                    local_account, **members)
        made.append(agent)
        return agent

    yield make
    for agent in made:
        agent.close()


@pytest.fixture
def agent(agent_of):
    return agent_of().ready()


# --- the ways in -----------------------------------------------------------------------------------

def test_a_command_runs_in_the_worktree_and_its_status_is_kept(agent, ann):
    done = agent.ssh.run(ann, "pwd; cat README.md; src/run.sh; exit 7", check=False)
    assert done.returncode == 7
    assert done.stdout == f"{agent.root}/home/ann/.worktree/proj\none\ntwo\nran\n"
    assert agent.ssh.run(ann, "kill -9 $$", check=False).returncode != 0


def test_nothing_is_added_to_standard_output(agent, ann):
    assert agent.ssh.out(ann, "true") == ""
    assert agent.ssh.run(ann, "cat", input="\0\1binary").stdout == "\0\1binary"


def test_a_shell_is_a_login_shell_with_the_session_environment(agent, ann):
    done = agent.ssh.run(ann, options=["-tt"], input="shopt -q login_shell && echo LOGIN; env; tty; exit 3\n",
                         check=False)
    lines = done.stdout.replace("\r", "").splitlines()
    assert done.returncode == 3
    assert "LOGIN" in lines and any(line.startswith("/dev/pts/") for line in lines)
    expected = {
        "REPO_ROOT": agent.root, "SESSION_ID": agent.spec["id"], "SESSION_MODE": "collab",
        "STEADYSTATE_USERNAME": "ann", "USER_WORKSPACE": f"{agent.root}/home/ann/.worktree/proj",
        "CANONICAL_REPO": f"{agent.root}/canonical", "REPO_NAME": "proj",
        "ACTIVITY_LOG": f"{agent.root}/activity-log", "SYNC_LOG": f"{agent.root}/sync-log",
        "HOME": f"{agent.root}/home/ann",
    }
    for name, value in expected.items():
        assert f"{name}={value}" in lines, name
    path = next(line for line in lines if line.startswith("PATH="))
    assert path.startswith(f"PATH={agent.root}/bin:")
    assert not any(line.startswith("SSH_ORIGINAL_COMMAND") for line in lines)


def test_the_locale_of_the_laptop_comes_along_and_nothing_else(agent, ann):
    options = ["-o", "SendEnv=LANG", "-o", "SendEnv=LC_*", "-o", "SendEnv=EVIL", "-o", "SendEnv=PATH"]
    out = agent.ssh.out(ann, "env", options=options,
                        env={**os.environ, "LANG": "C", "LC_TIME": "C.UTF-8", "EVIL": "1"})
    assert "LANG=C\n" in out and "LC_TIME=C.UTF-8\n" in out and "EVIL" not in out


def test_scp_sftp_rsync_and_git(agent, ann, place):
    options = ann.options(agent.ssh.known_hosts)
    target = f"{agent.ssh.user}@127.0.0.1"
    (place / "up.txt").write_text("up\n")
    for extra in ([], ["-O"]):
        steady.run("scp", *extra, *options, "-q", "-P", str(agent.port), place / "up.txt", f"{target}:up.txt")
        steady.run("scp", *extra, *options, "-q", "-P", str(agent.port), f"{target}:up.txt", place / "down.txt")
        assert (place / "down.txt").read_text() == "up\n"
        (place / "down.txt").unlink()
        agent.ssh.run(ann, "rm up.txt")
    steady.run("sftp", *options, "-q", "-b", "-", "-P", str(agent.port), target,
               input=f"put {place}/up.txt\nget README.md {place}/readme\nls\n")
    assert (place / "readme").read_text() == "one\ntwo\n"
    tree = place / "tree"
    (tree / "a/b").mkdir(parents=True)
    (tree / "a/b/c").write_text("c\n")
    shell = " ".join(["ssh", *options, "-p", str(agent.port)])
    steady.run("rsync", "-a", "-e", shell, f"{tree}/", f"{target}:tree")
    steady.run("rsync", "-a", "-e", shell, f"{target}:tree/", place / "back")
    assert (place / "back/a/b/c").read_text() == "c\n"
    steady.git("clone", "-q", f"ssh://{target}:{agent.port}{agent.root}/canonical", place / "clone",
               env={"GIT_SSH_COMMAND": shell})
    assert (place / "clone/README.md").read_text() == "one\ntwo\n"


def test_two_connections_of_one_person_share_one_worktree(agent, ann, bob):
    agent.ssh.run(ann, "echo mine >mine")
    assert agent.ssh.out(ann, "cat mine") == "mine\n"
    assert agent.ssh.run(bob, "cat mine", check=False).returncode != 0


def test_logins_before_the_session_is_ready_wait_for_it(agent_of, ann):
    agent = agent_of().start()
    log = agent.root / "ssh/sshd.log"
    steady.wait_for(lambda: log.exists() and "listening" in log.read_text())
    early = agent.ssh.start(ann, "cat README.md")
    agent.hello()
    out, errors = early.communicate(timeout=60)
    assert out == "one\ntwo\n", errors


def test_only_local_forwards_to_loopback(agent, ann):
    refused = [["-R", "0:127.0.0.1:22"], ["-L", f"0:{agent.root}/agent.sock"], ["-w", "0:0"],
               ["-L", "0:192.0.2.1:80"]]
    for options in refused[:1] + refused[2:3]:
        done = agent.ssh.run(ann, "true", options=["-o", "ExitOnForwardFailure=yes", *options], check=False)
        assert done.returncode == 255, options
    for where in ("192.0.2.1:80", "10.0.0.1:22"):
        done = agent.ssh.run(ann, options=["-W", where], check=False)
        assert done.returncode != 0 and "administratively prohibited" in done.stderr, where
    done = agent.ssh.run(ann, options=["-W", f"127.0.0.1:{agent.port}"], check=False, input="x\n")
    assert done.stdout.startswith("SSH-2.0-")


# --- presence --------------------------------------------------------------------------------------

def test_presence_follows_processes_also_killed_ones(agent, ann):
    first = agent.ssh.start(ann, "cat")
    event = agent.ctl.event("presence")
    assert (event["login"], event["provider"], event["connected"]) == ("ann", "sshkey", True)
    second = agent.ssh.start(ann, "echo in; cat")
    assert second.stdout.readline() == "in\n"
    first.kill()
    first.communicate()
    members = {m["login"]: m["connected"] for m in agent.ctl.ask("members")["members"]}
    assert members == {"ann": True, "bob": False}
    assert agent.ctl.ask("health")["connected"] == 1
    second.kill()
    second.communicate()
    assert agent.ctl.event("presence", timeout=90)["connected"] is False
    assert agent.ctl.ask("health")["connected"] == 0
    events = [json.loads(line)["event"] for line in (agent.root / "activity-log").read_text().splitlines()]
    assert events == ["started", "connected", "disconnected"]


# --- who may come in -------------------------------------------------------------------------------

def test_users_change_while_it_runs(agent, place, ann, bob):
    eve = agentlib.Key(place, "eve")
    assert agent.ssh.run(eve, "true", check=False).returncode == 255
    agent.ctl.ask("users", users=[ann.user(), eve.user()])
    assert agent.ssh.out(eve, "echo in") == "in\n"
    assert agent.ssh.run(bob, "true", check=False).returncode == 255
    assert agent.ssh.out(ann, "echo in") == "in\n"


def test_whoever_is_removed_or_kicked_is_put_out(agent, ann, bob):
    calls = {"users": {"users": [ann.user()]}, "kick": {"login": "bob", "provider": "sshkey"}}
    for verb in ("kick", "users"):
        stays = agent.ssh.start(ann, "echo in; cat")
        goes = agent.ssh.start(bob, "echo in; cat")
        assert stays.stdout.readline() == goes.stdout.readline() == "in\n"
        agent.ctl.ask(verb, **calls[verb])
        goes.communicate(timeout=20)
        assert stays.poll() is None
        stays.stdin.write("still\n")
        stays.stdin.close()
        assert stays.stdout.read() == "still\n"
        stays.wait(20)
        stays.stdout.close()
        stays.stderr.close()


def test_a_connection_without_a_process_ends_with_its_owner(agent, ann, bob):
    sleeper = agent.ssh.start(bob, options=["-N"])
    connections = steady.wait_for(lambda: "Accepted publickey" in (agent.root / "ssh/sshd.log").read_text())
    assert connections
    agent.ctl.ask("users", users=[ann.user()])
    sleeper.communicate(timeout=20)


def test_malformed_users_change_nothing(agent, ann):
    before = (agent.root / "ssh/authorized_keys").read_text()
    for users in (None, 7, [{"login": "-x", "provider": "p", "keys": []}], [{"provider": "p"}],
                  [{"login": "x", "provider": "p", "keys": ["command=\"x\" ssh-ed25519 AAAA"]}]):
        with pytest.raises(agentlib.Refused) as refused:
            agent.ctl.ask("users", users=users)
        assert refused.value.word == "invalid_request" or refused.value.word == "invalid"
    assert (agent.root / "ssh/authorized_keys").read_text() == before


# --- agent.sock ------------------------------------------------------------------------------------

def me(login="ann"):
    return {"login": login, "provider": "sshkey"}


def test_whoami_head_members_info(agent):
    sock = agent.sock()
    who = sock.ask("whoami", **me())
    assert (who["login"], who["author_name"], who["author_email"]) == ("ann", "ann", "ann@users.noreply.localhost")
    head = sock.ask("head", **me())["head"]
    assert head == steady.git("rev-parse", agent.spec["session_branch"], cwd=agent.root / "canonical").strip()
    assert [m["login"] for m in sock.ask("members", **me())["members"]] == ["ann", "bob"]
    info = sock.ask("info", **me())
    stored = json.loads((agent.root / "session-info.json").read_text())
    assert {k: info[k] for k in stored} == stored
    assert stored["session_id"] == agent.spec["id"] and stored["session_branch"] == agent.spec["session_branch"]
    with pytest.raises(agentlib.Refused) as refused:
        sock.ask("head", login="mallory", provider="sshkey")
    assert refused.value.word == "not_found"
    with pytest.raises(agentlib.Refused):
        sock.ask("launch", **me())


@pytest.fixture
def pushing(agent, place, repository):
    worker = agentlib.Worker(place, repository)
    sock = agent.sock()
    return worker, sock, sock.ask("head", **me())["head"]


EMAIL = "ann@users.noreply.localhost"


def test_push_moves_the_branch_and_tells_the_log(agent, pushing):
    worker, sock, head = pushing
    commit = worker.commit([head], {"README.md": "one\nTWO\n", "new": "n\n"}, "ann", EMAIL)
    answer = agentlib.push(sock, head, commit, worker.pack(commit, head), **me(),
                           changes=[{"file": "README.md", "lines": "2:2"}, {"file": "not/mine", "lines": "1:1"}],
                           overlaps=[{"file": "README.md", "lines": "2:2", "with": ["bob"], "kind": "edit"}])
    assert answer["head"] == commit == sock.ask("head", **me())["head"]
    line = json.loads((agent.root / "sync-log").read_text().splitlines()[-1])
    assert (line["user"], line["commit"]) == ("ann", commit)
    assert line["changes"] == [{"file": "README.md", "lines": "2:2"}, {"file": "new", "lines": ""}]
    assert line["overlaps"][0]["with"] == ["bob"]
    assert steady.git("show", f"{commit}:new", cwd=agent.root / "canonical") == "n\n"


def test_push_on_an_old_head_is_a_conflict_that_names_the_new_one(agent, pushing):
    worker, sock, head = pushing
    first = worker.commit([head], {"a": "a\n"}, "ann", EMAIL)
    agentlib.push(sock, head, first, worker.pack(first, head), **me())
    second = worker.commit([head], {"b": "b\n"}, "ann", EMAIL)
    with pytest.raises(agentlib.Refused) as refused:
        agentlib.push(sock, head, second, worker.pack(second, head), **me())
    assert (refused.value.word, refused.value.answer["head"]) == ("conflict", first)
    assert sock.ask("head", **me())["head"] == first


def test_push_refuses_what_is_not_the_senders_work(agent, pushing):
    worker, sock, head = pushing
    good = worker.commit([head], {"a": "a\n"}, "ann", EMAIL)
    pack = worker.pack(good, head)
    forged = worker.commit([head], {"a": "a\n"}, "bob", "bob@users.noreply.localhost")
    stranger = worker.commit([head], {"a": "b\n"}, "ann", "ann@example.org")
    rootless = worker.commit_tree([], worker.git("rev-parse", f"{good}^{{tree}}").strip(), "ann", EMAIL)
    cases = [
        (forged, worker.pack(forged, head)), (stranger, worker.pack(stranger, head)),
        (rootless, worker.pack(rootless)), (good, b""), (good, pack[:-30]), (good, b"PACK" + bytes(400)),
        (good, pack[:40] + b"\xff" + pack[41:]), (good, b"not a pack at all"),
        ("0" * 40, pack), ("1" * 40, pack),
    ]
    for commit, data in cases:
        sock = agent.sock()
        with pytest.raises(agentlib.Refused) as refused:
            agentlib.push(sock, head, commit, data, **me())
        assert refused.value.word in ("denied", "forbidden", "invalid", "invalid_request", "not_found"), refused.value
        assert agent.sock().ask("head", **me())["head"] == head
    assert not list((agent.root / "canonical").glob("quarantine-*"))
    agentlib.push(agent.sock(), head, good, pack, **me())


def test_a_request_too_many_and_nonsense(agent):
    sock = agent.sock()
    sock.send(b"J", 1, b"{")
    with pytest.raises(EOFError):
        sock.read()
    sock = agent.sock()
    sock.socket.sendall(b"\xff" * 64)
    with pytest.raises((EOFError, ConnectionError)):
        sock.read()
    sock = agent.sock()
    sock.send(b"D", 9, b"data of nothing")
    with pytest.raises(EOFError):
        sock.read()
    with pytest.raises(agentlib.Refused):
        agent.sock().ask("push", parent="x", commit="y", **me())
    assert agent.sock().ask("whoami", **me())["login"] == "ann"


# --- publish ---------------------------------------------------------------------------------------

def test_publish_pushes_the_session_branch(agent, pushing, repository):
    worker, sock, head = pushing
    commit = worker.commit([head], {"a": "a\n"}, "ann", EMAIL)
    agentlib.push(sock, head, commit, worker.pack(commit, head), **me())
    with pytest.raises(agentlib.Refused) as refused:
        sock.ask("publish", expect=head, **me())
    assert (refused.value.word, refused.value.answer["head"]) == ("conflict", commit)
    answer = sock.ask("publish", expect=commit, **me())
    assert (answer["branch"], answer["commit"]) == (agent.spec["session_branch"], commit)
    assert answer["remote_url"] == str(repository)
    assert steady.git("rev-parse", agent.spec["session_branch"], cwd=repository).strip() == commit
    assert steady.git("rev-parse", "main", cwd=repository).strip() == head
    assert sock.ask("publish", expect=commit, **me())["commit"] == commit


def test_publish_to_a_branch_that_moved_brings_the_remote_commit(agent, pushing, repository):
    worker, sock, head = pushing
    elsewhere = worker.commit([head], {"elsewhere": "e\n"}, "x", "x@example.org")
    steady.run("chown", "-R", "root", repository)
    worker.git("push", "-q", repository, f"{elsewhere}:refs/heads/{agent.spec['session_branch']}")
    steady.run("chown", "-R", agent.account.pw_name, repository)
    commit = worker.commit([head], {"a": "a\n"}, "ann", EMAIL)
    agentlib.push(sock, head, commit, worker.pack(commit, head), **me())
    with pytest.raises(agentlib.Refused) as refused:
        sock.ask("publish", expect=commit, **me())
    assert (refused.value.word, refused.value.answer["remote"]) == ("conflict", elsewhere)
    assert agent.ssh.out(agent.people[0], f"git --git-dir=$CANONICAL_REPO cat-file -p {elsewhere}:elsewhere") == "e\n"
    merged = worker.commit([commit, elsewhere], {"elsewhere": "e\n"}, "ann", EMAIL)
    agentlib.push(sock, commit, merged, worker.pack(merged, commit, elsewhere), **me())
    sock.ask("publish", expect=merged, **me())
    assert steady.git("rev-parse", agent.spec["session_branch"], cwd=repository).strip() == merged


# --- archive ---------------------------------------------------------------------------------------

def archive(agent):
    number = agent.ctl.begin("archive")
    return agent.ctl.answer(number)


def test_archive_of_nothing_is_empty(agent, ann):
    assert archive(agent)[0].get("empty") is True
    agent.ssh.run(ann, "true")
    assert archive(agent)[0].get("empty") is True


def test_archive_holds_the_branch_and_everybodys_unsynced_work(agent, pushing, ann, bob, repository, place):
    worker, sock, head = pushing
    commit = worker.commit([head], {"synced": "s\n"}, "ann", EMAIL)
    agentlib.push(sock, head, commit, worker.pack(commit, head), **me())
    agent.ssh.run(ann, "echo draft >draft; git add draft; echo two >>README.md")
    agent.ssh.run(bob, "git rm -q README.md; git commit -qm gone; echo b >b")
    answer, bundle = archive(agent)
    assert not answer.get("empty")
    (place / "x.bundle").write_bytes(bundle)
    clone = place / "from-archive"
    steady.git("clone", "-q", worker.directory, clone)
    steady.git("fetch", "-q", place / "x.bundle", "+refs/*:refs/archive/*", cwd=clone)
    refs = steady.git("for-each-ref", "--format=%(refname)", "refs/archive", cwd=clone).split()
    assert refs == [f"refs/archive/heads/{agent.spec['session_branch']}", "refs/archive/steadystate/unsynced/ann",
                    "refs/archive/steadystate/unsynced/bob"]
    assert steady.git("show", f"{refs[0]}:synced", cwd=clone) == "s\n"
    assert steady.git("show", f"{refs[1]}:draft", cwd=clone) == "draft\n"
    assert steady.git("show", f"{refs[1]}:README.md", cwd=clone) == "one\ntwo\ntwo\n"
    assert steady.git("ls-tree", "--name-only", refs[2], cwd=clone).split() == ["b", "src", "synced"]
    assert steady.git("show", "-s", "--format=%an", refs[2], cwd=clone).strip() == "bob"


# --- failures, restart, end ------------------------------------------------------------------------

def failure(agent):
    agent.start()
    agent.hello()
    event = agent.ctl.event("failed")
    assert agent.ctl.ask("health")["state"] == "failed"
    return event["reason"]


def test_failures_have_their_word(agent_of, place, ann):
    assert failure(agent_of(repository=place / "absent.git")) == "repository_not_found"


def test_a_branch_that_is_not_there(agent_of):
    assert failure(agent_of(branch="absent")) == "branch_not_found"


def test_a_port_that_is_taken(agent_of):
    import socket
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert failure(agent_of(port=taken.getsockname()[1])) == "port_taken"


def test_local_paths_only_where_they_are_allowed(agent_of):
    agent = agent_of(allow_local_repos=False)
    agent.log = open(agent.place / "agent.log", "a")
    agent.process = subprocess.Popen([agentlib.AGENT, "run", "--local", "--session-root", agent.root],
                                     user=agent.account.pw_uid, group=agent.account.pw_gid, extra_groups=[],
                                     stdin=subprocess.DEVNULL, stdout=agent.log, stderr=agent.log)
    assert agent.process.wait(20) != 0
    agent.process = None
    agent.log.close()
    assert "local repositories are not allowed" in (agent.place / "agent.log").read_text()


def test_never_as_uid_0(agent_of):
    agent = agent_of()
    steady.run("chown", "-R", "root", agent.root)
    agent.account = __import__("pwd").getpwnam("root")
    assert failure(agent) == "protection_missing"


def test_a_directory_that_others_can_write_is_refused(agent_of, place):
    agent = agent_of()
    place.chmod(0o777)
    try:
        assert failure(agent) == "internal"
    finally:
        place.chmod(0o755)


def test_killed_and_started_again_it_goes_on(agent_of, ann, bob, repository):
    agent = agent_of().ready()
    agent.ssh.run(ann, "echo draft >draft")
    worker = agentlib.Worker(agent.place, repository)
    head = agent.sock().ask("head", **me())["head"]
    commit = worker.commit([head], {"a": "a\n"}, "ann", EMAIL)
    agentlib.push(agent.sock(), head, commit, worker.pack(commit, head), **me())
    accounts = (agent.root / "accounts.json").read_text()
    agent.kill()
    repository.rename(agent.place / "moved.git")  # no new clone could work
    agent.start()
    agent.ctl.event("ready")
    assert agent.hello()["state"] == "ready"
    assert agent.ssh.out(ann, "cat draft") == "draft\n"
    assert agent.sock().ask("head", **me())["head"] == commit
    assert (agent.root / "accounts.json").read_text() == accounts


def test_killed_in_the_clone_it_starts_over(agent_of, ann):
    agent = agent_of()
    (agent.root / "repo").mkdir()
    (agent.root / "repo/half").write_text("half a clone")
    for path in ("repo", "repo/half"):
        os.chown(agent.root / path, agent.account.pw_uid, agent.account.pw_gid)
    agent.ready()
    assert agent.ssh.out(ann, "cat README.md") == "one\ntwo\n"
    assert not (agent.root / "repo/half").exists()


def test_a_canonical_that_cannot_be_read_is_never_made_anew(agent_of):
    agent = agent_of().ready()
    agent.kill()
    (agent.root / "canonical/HEAD").unlink()
    before = sorted(agent.root.rglob("*.pack")) + sorted((agent.root / "canonical").rglob("*"))
    agent.start()
    assert agent.ctl.ask("health")["state"] == "failed"
    assert sorted(agent.root.rglob("*.pack")) + sorted((agent.root / "canonical").rglob("*")) == before


def test_sshd_that_dies_comes_back_and_connections_stay(agent, ann):
    stays = agent.ssh.start(ann, "echo in; cat")
    assert stays.stdout.readline() == "in\n"
    listener = next(p for p in agentlib.descendants(agent.process.pid)
                    if "sshd\0-D" in open(f"/proc/{p}/cmdline").read().replace("/usr/sbin/", "")
                    or "/usr/sbin/sshd -D" in open(f"/proc/{p}/cmdline").read().replace("\0", " "))
    os.kill(listener, signal.SIGKILL)
    steady.wait_for(lambda: agent.ssh.run(ann, "true", check=False).returncode == 0)
    stays.communicate("bye\n", timeout=20)
    assert stays.returncode == 0


def test_shutdown_ends_everything(agent, ann):
    agent.ssh.run(ann, "setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo started")
    shell = agent.ssh.start(ann, "echo in; cat")
    assert shell.stdout.readline() == "in\n"
    everything = agentlib.descendants(agent.process.pid)
    assert len(everything) >= 4
    agent.ctl.ask("shutdown")
    assert agent.process.wait(20) == 0
    shell.communicate(timeout=20)
    steady.wait_for(lambda: not any(os.path.exists(f"/proc/{p}") for p in everything), 10, "every process to end")
    assert not (agent.root / "agent.sock").exists()


def test_a_session_whose_directory_is_removed_ends(agent, ann):
    import shutil
    agent.ssh.run(ann, "true")
    shutil.rmtree(agent.root)
    assert agent.process.wait(60) == 0


def test_a_channel_that_ends_means_nothing(agent, ann):
    agent.ctl.close()
    again = agentlib.connect(agent.root / "ctl.sock")
    assert again.ask("health")["state"] == "ready"
    bridge = subprocess.Popen([agentlib.AGENT, "ctl", "--local", "--session-root", agent.root],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    payload = json.dumps({"verb": "health"}).encode()
    bridge.stdin.write((len(payload) + 5).to_bytes(4, "big") + b"J" + (5).to_bytes(4, "big") + payload)
    bridge.stdin.flush()
    head = bridge.stdout.read(9)
    assert head[4:5] == b"J"
    assert json.loads(bridge.stdout.read(int.from_bytes(head[:4], "big") - 5))["state"] == "ready"
    bridge.stdin.close()
    assert bridge.wait(20) == 0
    bridge.stdout.close()
    agent.ctl = again
