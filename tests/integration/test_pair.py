"""Covers: pair mode and `steadystate pair`: one terminal for all, roles, watching, approval, kick,
sizes, who is credited, under an agent of its own and a whole server, locally and in containers.
Not covered: what a person sees of it on the dashboard."""

import json
import os
import re
import subprocess

import pytest

import agentlib
import steady
import synclib

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="starts agents as another account")


@pytest.fixture
def repository(place, local_account):
    return synclib.make_origin(place, local_account, {"README.md": "one\ntwo\n"})


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


def enter(screens, agent, key, *command, **size):
    """That person's window on the shared terminal, once its status line is there."""
    screen = screens.open(agent.ssh.argv(key, *command, options=["-t"]), **size)
    screen.wait(lambda text: "shared" in text)
    return screen


def member(agent, login):
    return next(m for m in agent.ctl.ask("members")["members"] if m["login"] == login)


def events(agent, name):
    lines = (agent.root / "activity-log").read_text().splitlines()
    return [e for e in map(json.loads, lines) if e["event"] == name]


def test_a_watcher_sees_and_never_types(agent_of, people, screens):
    agent = agent_of()
    ann, bob, _ = people
    first = enter(screens, agent, ann)
    second = enter(screens, agent, bob, "steadystate pair --read-only")
    assert member(agent, "bob")["role"] == "watching" and member(agent, "ann")["role"] == "typing"
    first.type("echo seen-$((20+2)); cat")
    second.wait("seen-22")
    second.type("WATCHERS-BYTES")
    second.keys("C-c")
    second.wait("You are watching")
    # The same with a client of one's own that sends whatever it likes.
    raw = agent.ssh.start(bob, "steadystate pair --read-only", options=["-tt"])
    raw.stdin.write("RAW-BYTES\r\n\x03\x04\x1b[200~PASTED\x1b[201~\r")
    raw.stdin.flush()
    raw.stdin.write("\x02d")  # Ctrl-b d: the end of what was sent has been read
    raw.stdin.flush()
    raw.wait(60)
    raw.stdin.close()
    raw.stdout.close()
    raw.stderr.close()
    first.type("typed-by-ann")
    first.wait(lambda text: text.count("typed-by-ann") >= 2)
    text = first.text()
    assert "WATCHERS" not in text and "RAW" not in text and "PASTED" not in text
    # cat still runs: neither Ctrl-c nor Ctrl-d of a watcher arrived.
    second.keys("C-b", "d")
    assert second.ended() == 0


def test_who_watches_gets_no_command_either(agent_of, people, screens):
    agent = agent_of()
    ann, bob, _ = people
    enter(screens, agent, ann)
    assert agent.ssh.out(bob, "pwd") == f"{agent.root}/home/pair/.worktree/proj\n"
    agent.ctl.ask("role", login="bob", provider="sshkey", role="watch")
    for command in ("touch x", "steadystate pair; touch x", "/usr/lib/openssh/sftp-server"):
        refused = agent.ssh.run(bob, command, check=False)
        assert refused.returncode != 0 and "watching" in refused.stderr, refused
    done = agent.ssh.run(bob, check=False, input="touch x\n")
    assert done.returncode != 0 and "needs a terminal" in done.stderr
    assert not (agent.root / "home/pair/.worktree/proj/x").exists()


def test_a_command_ends_when_its_person_may_only_watch(agent_of, people, screens):
    agent = agent_of()
    ann, bob, _ = people
    running = agent.ssh.start(bob, "echo up; exec sleep 1000")
    assert running.stdout.readline() == "up\n"
    agent.ctl.ask("role", login="bob", provider="sshkey", role="watch")
    assert running.wait(60) != 0
    for pipe in (running.stdin, running.stdout, running.stderr):
        pipe.close()


def test_the_keyboard_is_handed_over_and_taken(agent_of, people, screens):
    agent = agent_of()
    ann, bob, _ = people
    first, second = enter(screens, agent, ann), enter(screens, agent, bob)
    first.type("steadystate role bob watch")
    first.wait("bob watches.")
    second.wait("You are watching now")
    second.type("echo no-$((1+1))")
    second.wait("You are watching.")
    first.type("clear; steadystate role bob type")
    first.wait("bob may type.")
    second.type("echo yes-$((1+1))")
    first.wait("yes-2")
    assert "no-2" not in first.text()
    # Who types is not who decides.
    second.type("clear; steadystate role ann watch")
    second.wait("only the keyboard's owner")
    first.type("clear; steadystate role bob own")
    first.wait("bob has the keyboard.")
    second.type("clear; steadystate role ann watch")
    second.wait("ann watches.")
    first.type("echo never-$((1+1))")
    first.wait("You are watching.")
    assert "never" not in second.text()
    # The creator takes it back from outside.
    agent.ctl.ask("role", login="ann", provider="sshkey", role="own")
    first.type("clear; echo back-$((1+1))")
    second.wait("back-2")
    assert [(e["user"], e["detail"]["login"], e["detail"]["role"]) for e in events(agent, "role")] == [
        ("ann", "bob", "watch"), ("ann", "bob", "type"), ("ann", "bob", "own"), ("bob", "ann", "watch"),
        ("ann", "ann", "own")]


def test_who_waits_is_let_in(agent_of, people, screens):
    agent = agent_of(approve=True)
    ann, bob, cid = people
    first = enter(screens, agent, ann)
    waiting = screens.open(agent.ssh.argv(bob, options=["-t"]))
    waiting.wait("Waiting for ann to let you in")
    first.wait("steadystate approve bob")
    assert member(agent, "bob")["waiting"] is True
    first.type("clear; steadystate approve bob")
    waiting.wait("shared")
    assert "waiting" not in member(agent, "bob")
    # The next one by a key.
    other = screens.open(agent.ssh.argv(cid, options=["-t"]))
    other.wait("Waiting for ann")
    first.wait("steadystate approve cid")
    waiting.keys("C-b", "y")  # not bob's to decide
    waiting.type("clear; echo bob-$((1+1))")
    first.wait("bob-2")
    assert member(agent, "cid")["waiting"] is True
    first.keys("C-b", "y")
    other.wait("shared")
    assert [e["detail"]["login"] for e in events(agent, "approved")] == ["bob", "cid"]
    # Once in, always in.
    assert agent.ssh.out(cid, "echo in") == "in\n"


def test_who_waits_is_refused(agent_of, people):
    agent = agent_of(approve=True)
    _, bob, _ = people
    waiting = agent.ssh.start(bob, "echo in")
    assert any("Waiting for ann" in line for line in iter(waiting.stderr.readline, ""))
    agent.ctl.ask("kick", login="bob", provider="sshkey")
    out, errors = waiting.communicate(timeout=60)
    assert waiting.returncode != 0 and out == ""
    # The connection ends too, sometimes before the wrapper's words are out.
    assert "not let in" in errors or "closed" in errors or "send disconnect" in errors


def test_kick_ends_a_window_and_the_terminal_goes_on(agent_of, people, screens):
    agent = agent_of()
    ann, bob, _ = people
    first, second = enter(screens, agent, ann), enter(screens, agent, bob)
    agent.ctl.ask("kick", login="bob", provider="sshkey")
    second.ended()
    steady.wait_for(lambda: "role" not in member(agent, "bob"), what="bob's leaving")
    first.type("echo goes-on-$((1+1))")
    first.wait("goes-on-2")


def test_the_smallest_who_types_gives_the_size(agent_of, people, screens):
    agent = agent_of()
    ann, bob, cid = people
    first = enter(screens, agent, ann, columns=100, rows=30)

    def size():
        first.type("clear; echo size-$(tput cols)x$(tput lines).")
        return lambda wanted: first.wait(f"size-{wanted}.")
    size()("100x29")
    second = enter(screens, agent, bob, columns=80, rows=24)
    steady.wait_for(lambda: member(agent, "bob").get("role") == "typing", what="bob")

    def becomes(wanted):
        def is_so():
            size()
            try:
                first.wait(f"size-{wanted}.", timeout=2)
                return True
            except AssertionError:
                return False
        steady.wait_for(is_so, 60, f"a size of {wanted}")
    becomes("80x23")
    enter(screens, agent, cid, "steadystate pair --read-only", columns=40, rows=10)
    becomes("80x23")
    second.resize(60, 20)
    becomes("60x19")
    agent.ctl.ask("role", login="bob", provider="sshkey", role="watch")
    becomes("100x29")
    first.resize(90, 28)
    becomes("90x27")


def test_it_goes_on_without_its_creator(agent_of, people, screens):
    agent = agent_of()
    ann, bob, _ = people
    first = enter(screens, agent, ann)
    first.type("echo ann-was-$((1+1)); left=here")
    first.wait("ann-was-2")
    first.keys("C-b", "d")
    assert first.ended() == 0
    second = enter(screens, agent, bob)
    second.wait("ann-was-2")
    second.type("echo $left-$((1+2))")
    second.wait("here-3")
    # It is a shell: its end is the terminal's, and the next one begins a new one.
    second.type("exit")
    second.ended()
    third = enter(screens, agent, bob)
    third.type("echo new-$((1+3))$left")
    third.wait("new-4")


def trailers(agent, *revision):
    return steady.git("-C", agent.root / "home/pair/.worktree/proj", "log", "-1", "--format=%an|%ae|%B", *revision)


def test_commits_name_everybody_who_typed(agent_of, people, screens):
    agent = agent_of()
    ann, bob, cid = people
    first, second = enter(screens, agent, ann), enter(screens, agent, bob)
    third = enter(screens, agent, cid)  # comes, looks and goes: no author
    third.keys("C-b", "d")
    third.ended()
    second.type("echo more >>README.md")
    first.wait(">>README.md")
    first.type("clear; git commit -qam 'by both' && echo done-$((1+1))")
    first.wait("done-2")
    mail = "users.noreply.localhost"
    assert trailers(agent).strip() == f"ann|ann@{mail}|by both\n\nCo-authored-by: bob <bob@{mail}>"
    # The next commit begins anew; hooks of the repository's own run too and cannot replace ours.
    second.type("clear; mkdir -p .hooks; printf '#!/bin/sh\\necho own >>$1\\n' >.hooks/commit-msg; chmod +x .hooks/*; "
                "git config core.hooksPath .hooks; git add -A; git commit -qm alone && echo done-$((1+2))")
    second.wait("done-3")
    assert trailers(agent).strip() == f"bob|bob@{mail}|alone\nown"
    first.type("echo x >>README.md; echo wrote-$((1+1))")
    first.wait("wrote-2")
    second.type("clear; git commit --no-verify -qam unchecked && echo done-$((1+3))")
    second.wait("done-4")
    assert trailers(agent).strip() == f"bob|bob@{mail}|unchecked\n\nCo-authored-by: ann <ann@{mail}>"
    # Likewise what sync makes of what is not committed.
    first.type("echo synced >>README.md; echo wrote-$((1+2))")
    first.wait("wrote-3")
    second.type("clear; steadystate sync && echo done-$((1+4))")
    second.wait("done-5")
    head = agent.spec["session_branch"]
    text = steady.git("-C", agent.root / "canonical", "log", "-1", "--format=%an|%B", head)
    assert text.startswith("bob|sync: ") and f"Co-authored-by: ann <ann@{mail}>" in text


def typed(agent):
    """Who the next commit names."""
    file = agent.root / "roles.json"
    people = json.loads(file.read_text())["people"] if file.exists() else []
    return sorted(p["login"] for p in people if p.get("typed"))


@pytest.mark.parametrize("how", ["leaves", "watches"])
def test_a_paste_that_is_broken_off(agent_of, people, screens, how):
    """The program in the terminal would take for pasted what everybody types from then on."""
    agent = agent_of()
    ann, bob, _ = people
    first = enter(screens, agent, ann)
    pasting = agent.ssh.start(bob, options=["-tt"])
    pasting.stdin.write("\x1b[200~echo pasted\recho more")
    pasting.stdin.flush()
    steady.wait_for(lambda: typed(agent) == ["bob"], what="the paste to come")
    if how == "leaves":
        pasting.kill()
    else:
        agent.ctl.ask("role", login="bob", provider="sshkey", role="watch")
        pasting.stdin.write("NEVER")
        pasting.stdin.flush()
        pasting.stdin.write("\x1b[201~\x02d")
        pasting.stdin.flush()
    pasting.wait(60)
    for pipe in (pasting.stdin, pasting.stdout, pasting.stderr):
        pipe.close()

    def answers():
        first.keys("C-c")
        first.type("echo answers-$((1+1))")
        try:
            return first.wait("answers-2", timeout=3)
        except AssertionError:
            return None
    steady.wait_for(answers, 60, "the shell to answer")
    assert "NEVER" not in first.text()
    assert typed(agent) == ["ann", "bob"]


def test_how_it_ends_is_said(agent_of, people, screens):
    agent = agent_of()
    ann, bob, _ = people
    first, second = enter(screens, agent, ann), enter(screens, agent, bob)
    first.type("tmux kill-server")
    for screen in (first, second):
        screen.wait("The shared terminal has ended; the next who opens it begins a new one.")
        assert screen.ended() == 0
    first, second = enter(screens, agent, ann), enter(screens, agent, bob, "steadystate pair --read-only")
    first.type("echo new-$((1+1))")
    second.wait("new-2")
    # Who watches gets their screen back too.
    second.keys("C-b", "d")
    second.wait("You have left the shared terminal; it goes on.")
    assert "new-2" not in second.text() and second.ended() == 0
    first.keys("C-d")
    first.wait("The shared terminal has ended")
    refused = screens.open(agent.ssh.argv(bob, options=["-t"]), env={"TERM": "dumb"})
    refused.wait("this terminal (TERM=dumb) cannot show the shared one")
    assert refused.ended() == 1


def test_settings_of_a_person(agent_of, people, screens):
    """Prefix and looks are theirs; that it is shared, and by whose size, is not."""
    agent = agent_of()
    ann, bob, _ = people
    agent.ssh.run(ann, "cat >~/.tmux.conf", input="set -g window-size largest\nset -g destroy-unattached on\n"
                  "set -g prefix C-a\nset -g status-bg blue\n")
    first = enter(screens, agent, ann, columns=100, rows=30)
    enter(screens, agent, bob, columns=60, rows=20)

    def small():
        first.keys("C-u")
        first.type("echo size-$(tput cols)x$(tput lines).")
        try:
            return first.wait("size-60x19.", timeout=3)
        except AssertionError:
            first.keys("q")  # of the page that says what is wrong with the file
            return None
    steady.wait_for(small, 60, "the size of the smallest")
    first.type("left=here")
    first.keys("C-a", "d")
    assert first.ended() == 0


def test_the_agent_comes_back(agent_of, people, screens):
    agent = agent_of()
    ann, bob, _ = people
    first, second = enter(screens, agent, ann), enter(screens, agent, bob)
    second.type("echo by-bob >>README.md")
    first.type("clear; steadystate role bob watch")
    first.wait("bob watches.")
    agent.kill()
    first.ended()
    second.ended()
    agent.ready()
    # What was decided and typed is known still.
    first, second = enter(screens, agent, ann), enter(screens, agent, bob)
    second.type("echo NEVER")
    second.wait("You are watching.")
    first.type("git commit -qam 'by both' && echo done-$((1+1))")
    first.wait("done-2")
    assert "Co-authored-by: bob" in trailers(agent) and "NEVER" not in first.text()


def test_the_terminal_is_a_worktree_of_the_session(agent_of, people, screens, repository):
    agent = agent_of()
    ann, bob, _ = people
    first = enter(screens, agent, ann)
    first.type("echo new >file && steadystate status && steadystate publish && echo done-$((1+1))")
    first.wait("done-2")
    branch = f"steadystate/pair/{agent.spec['id']}"
    assert steady.git("-C", repository, "show", f"{branch}:file") == "new\n"
    first.type("clear; echo rest >rest; echo done-$((1+2))")
    first.wait("done-3")
    # What is not published is in the archive.
    number = agent.ctl.begin("archive")
    answer, bundle = agent.ctl.answer(number)
    assert bundle.startswith(b"# v2 git bundle")
    info = json.loads((agent.root / "session-info.json").read_text())
    assert info["mode"] == "pair" and info["session_branch"] == branch
    assert "SESSION_MODE=pair" in agent.ssh.out(ann, "env")


def test_pair_inside_a_collab_session(agent_of, people, screens):
    agent = agent_of("collab")
    ann, bob, _ = people
    first = screens.open(agent.ssh.argv(ann, options=["-t"]))
    first.wait("$ ")
    first.type("echo mine >mine; steadystate pair")
    first.wait("shared")
    second = screens.open(agent.ssh.argv(bob, options=["-t"]))
    second.wait("$ ")
    second.type("steadystate pair --read-only")
    second.wait("shared")
    first.type("clear; ls; pwd; steadystate pair")
    second.wait("/home/pair/.worktree/proj")
    second.wait("this is the shared terminal")
    assert "mine" not in second.text()
    first.keys("C-b", "d")
    first.wait("[detached")
    first.type("clear; cat mine; pwd")
    first.wait("/home/ann/.worktree/proj")
    # Whoever opened it decides, from a shell of their own too.
    first.type("clear; steadystate role bob type; steadystate pair")
    first.wait("shared")
    second.type("clear; echo typed-$((1+1))")
    first.wait("typed-2")
    second.type("exit")
    second.wait("[exited]")
    second.type("clear; pwd")
    second.wait("/home/bob/.worktree/proj")


def test_ids_that_begin_alike_share_nothing(place, local_account, repository, people, screens):
    ann = people[0]
    agents = []
    try:
        for n, letter in enumerate("ab"):
            directory = place / f"a{n}"
            directory.mkdir()
            agent = agentlib.LocalAgent(directory, people, repository, local_account, mode="pair")
            agent.spec["id"] = "k3jx5m2qzv7ah4tw6yd" + letter
            agent.spec["session_branch"] = f"steadystate/pair/{agent.spec['id']}"
            (agent.root / "spec.json").write_text(json.dumps(agent.spec))
            agents.append(agent.ready())
        windows = [enter(screens, agent, ann) for agent in agents]
        windows[0].type("echo first-$((1+1)) | tee first")
        windows[0].wait("first-2")
        windows[1].type("ls; echo second-$((1+1))")
        windows[1].wait("second-2")
        assert "first" not in windows[1].text() and "second-2" not in windows[0].text()
    finally:
        for agent in agents:
            agent.close()


# --- a whole server --------------------------------------------------------------------------------

def join(screens, person, session, *options, wait="shared"):
    screen = screens.open([steady.BUILD / "steadystate", "join", *options, "-i", person.key, session.link],
                          env=person.environment)
    screen.wait(wait)
    return screen


@pytest.mark.parametrize("kind", ["local", "podman", "docker"])
def test_the_story_of_a_pair(kind, server_of, forge, screens):
    repository = forge.repository("team/project")
    server = server_of(kind)
    ann, bob = server.person("ann"), server.person("bob")
    session = ann.up(repository, "--mode=pair", "--approve", "--allow", "bob")
    assert session.branch == f"steadystate/pair/{session.id}" and session.link.startswith("steadystate://pair/")
    first = join(screens, ann, session)
    second = join(screens, bob, session, wait="Waiting for ann")
    first.wait("steadystate approve bob")
    assert bob.cli("approve", session.id, "bob", check=False).returncode == 5
    ann.cli("approve", "bob")
    second.wait("shared")
    second.type("clear; grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' /proc/self/status; echo $SESSION_MODE-$((1+1))")
    status = {}

    def is_told():  # rows as they are: after a tab, two may count as one line that went on
        status.update(re.findall(r"^(Uid|CapEff|NoNewPrivs|Seccomp): +(\w.*)$", first.rows(), re.M))
        return len(status) == 4 and len(status["CapEff"].strip()) == 16

    steady.wait_for(is_told, 60, "what the kernel says of the shell")
    first.wait("pair-2")
    assert int(status["CapEff"], 16) == 0 and int(status["NoNewPrivs"]) == 1 and int(status["Seccomp"]) == 2
    assert int(status["Uid"].split()[0]) != 0
    ann.cli("role", session.id, "bob", "watch")
    members = json.loads(ann.cli("members", "--json", session.id).stdout)["members"]
    assert {m["login"]: (m["role"], m["keyboard"]) for m in members} == {
        "ann": ("typing", "own"), "bob": ("watching", "watch")}
    table = ann.cli("members", session.id).stdout
    assert "has the keyboard" in table and "watching" in table
    second.type("echo never-$((1+1))")
    second.wait("You are watching")
    refused = bob.ssh(session, "true", check=False)
    assert refused.returncode != 0 and "watching" in refused.stderr
    first.type("clear; steadystate role bob type && echo shared >file && git add file && git commit -qm file")
    first.wait("bob may type.")
    second.type("clear; steadystate publish && echo done-$((1+2))")
    second.wait("done-3")
    assert forge.show("team/project", session.branch, "file") == "shared\n"
    assert "never" not in first.text()
    running = subprocess.Popen(["ssh", *bob.ssh_argv(session), "-p", str(session.port),
                                f"{session.user}@{session.host}", "echo up; exec sleep 1000"],
                               stdout=subprocess.PIPE, text=True)
    assert running.stdout.readline() == "up\n"
    ann.cli("role", session.id, "bob", "watch")
    assert running.wait(60) != 0
    running.stdout.close()
    ann.cli("role", "bob", "type")
    # Files come and go by scp for those who may type, as the terminal's account.
    steady.run("scp", *bob.ssh_argv(session), "-q", "-P", session.port, bob.key.with_suffix(".pub"),
               f"{session.user}@{session.host}:key")
    second.type("clear; stat -c '%U is %a' key; id -un; git status --short")
    second.wait("?? key")
    first.keys("C-b", "d")
    assert first.ended() == 0
    second.type("echo on-$((1+3))")
    second.wait("on-4")
    ann.cli("down", session.id)
    second.ended()
    assert session.id in ann.cli("archive", "list").stdout


@pytest.mark.parametrize("kind", ["podman"])
def test_nobody_else_reaches_the_terminal(kind, server_of, forge, screens):
    """In a session of worktrees people have processes of their own: they are kept out by uid."""
    repository = forge.repository("team/project")
    server = server_of(kind)
    ann, bob = server.person("ann"), server.person("bob")
    session = ann.up(repository, "--allow", "bob")
    first = join(screens, ann, session, wait="$ ")
    first.type("steadystate pair")
    first.wait("shared")
    for command in ("tmux -S /session/pair/s send-keys FORGED Enter", "ls /session/pair", "cat /session/home/pair/x",
                    "echo FORGED >$(ls /dev/pts/[0-9]* | head -1)", "echo x >>/session/terminal/hooks/commit-msg",
                    "echo x >>/session/terminal/gitconfig", "echo x >>/session/roles.json", "cat /session/roles.json",
                    "kill -9 $(pgrep tmux)"):
        done = bob.ssh(session, command, check=False)
        assert done.returncode != 0, (command, done)
    assert bob.ssh(session, "steadystate role ann watch", check=False).returncode == 5
    second = join(screens, bob, session, wait="$ ")
    second.type("steadystate pair --read-only")
    second.wait("shared")
    first.type("clear; echo intact-$((1+1)); id -un")
    second.wait("intact-2")
    second.wait(lambda text: "\npair\n" in text)
    assert "FORGED" not in first.text()


def test_up_at_a_terminal_opens_the_shared_one(server_of, forge, screens, place):
    repository = forge.repository("team/project")
    ann = server_of("local").person("ann")
    keys = place / "ssh-agent"  # join finds keys as ssh does, and that looks at no HOME
    with subprocess.Popen(["ssh-agent", "-D", "-a", keys], stdout=subprocess.DEVNULL) as running:
        try:
            steady.wait_for(keys.exists, what="ssh-agent")
            environment = {**ann.environment, "SSH_AUTH_SOCK": str(keys)}
            steady.run("ssh-add", "-q", ann.key, env=environment)
            screen = screens.open([steady.BUILD / "steadystate", "up", "--mode=pair", repository], env=environment)
            screen.wait("shared")
            screen.type("echo in-$((1+1))")
            screen.wait("in-2")
            screen.keys("C-b", "d")
            assert screen.ended() == 0
            screen.wait("steadystate join")
        finally:
            running.terminate()
