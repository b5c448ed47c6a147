"""Covers: the agent as PID 1 of a hardened container on both engines, driven as the keeper does it:
separate uids, the ways in, what protects the session (and that it refuses to serve without), restart,
people put out, and a collaborator inside who attacks: forwards, other people's files, forged and
malformed pushes, ptrace, and the hunt for the forge token.
Not covered: the server, sync and publish by the CLI (story tests); packs of more than 2 GiB."""

import contextlib
import json
import pathlib
import shlex
import time

import pytest

import agentlib
import engines
import steady

TOKEN = "tok-Zk2vq8XhNwYt5LrPc0Ma"
HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module", params=engines.KINDS)
def engine(request):
    with engines.running(request.param) as found:
        # A name of its own: what others built stays as it is.
        found.image = engines.session_image(found, "localhost/steadystate-session:agent-test")
        yield found


@pytest.fixture
def ann(place):
    return agentlib.Key(place, "ann")


@pytest.fixture
def bob(place):
    return agentlib.Key(place, "bob")


@pytest.fixture
def session_of(engine, place, forge, addresses, ann, bob):
    made = []

    def make(people=None, **members):
        url = members.pop("url", None) or forge.repository("team/proj", {"README.md": "one\n", "run.sh": "echo ran\n"})
        agent = agentlib.ContainerAgent(engine, engine.image, place, people or [ann, bob], url, addresses,
                                        allowed_hosts=[forge.host], **members)
        made.append(agent)
        return agent

    yield make
    for agent in made:
        agent.close()
        assert not engine.left_of(f"steadystate.test={agent.name}").get("containers")


@pytest.fixture
def session(session_of):
    return session_of().ready()


def inside(session, key, *arguments):
    """The hand-written client, run by a person inside; its answer."""
    script = (HERE / "inside_client.py").read_text()
    out = session.ssh.out(key, "python3 - " + " ".join(shlex.quote(a) for a in arguments), input=script)
    return json.loads(out)


def push(session, key, **members):
    return inside(session, key, "push", json.dumps(members))


def email(session, login):
    host = session.spec["repo_url"].split("/")[2].split(":")[0]
    return f"{login}@users.noreply.{host}"


def head(session, key):
    return inside(session, key, "ask", "head", "{}")["head"]


# --- the ways in -----------------------------------------------------------------------------------

def test_everybody_is_somebody_else(session, ann, bob):
    assert session.ssh.out(ann, "id -un; id -u; id -G; pwd; echo $HOME; sh run.sh") == \
        "ann\n10001\n10001\n/session/home/ann/.worktree/proj\n/session/home/ann\nran\n"
    assert session.ssh.out(bob, "id -un; id -u") == "bob\n10002\n"
    assert session.ssh.run(bob, "exit 7", check=False).returncode == 7
    terminal = session.ssh.run(ann, "stat -c '%U %a' $(tty); exit 3", options=["-tt"], check=False)
    assert (terminal.returncode, terminal.stdout) == (3, "ann 620\n")
    assert session.ssh.run(bob, "ls /session/home/ann", check=False).returncode != 0
    assert session.ssh.out(ann, "echo x >~/mine; stat -c %U ~/mine ~ README.md; ls ~") == "ann\nann\nann\nmine\nproj\n"


def test_scp_sftp_rsync_and_tmux_as_the_person(session, ann, place):
    options = ann.options(session.ssh.known_hosts)
    (place / "up").write_text("up\n")
    steady.run("scp", *options, "-q", "-P", str(session.port), place / "up", "steadystate@127.0.0.1:up")
    steady.run("sftp", *options, "-q", "-b", "-", "-P", str(session.port), "steadystate@127.0.0.1",
               input=f"get up {place}/down\n")
    shell = " ".join(["ssh", *options, "-p", str(session.port)])
    steady.run("rsync", "-a", "-e", shell, place / "up", "steadystate@127.0.0.1:synced")
    assert (place / "down").read_text() == "up\n"
    assert session.ssh.out(ann, "stat -c '%n %U' up synced") == "up ann\nsynced ann\n"
    assert session.ssh.out(ann, "tmux new-session -d -s t 'id -u >$HOME/t; tmux wait-for -S written; sleep 100' &&"
                           " tmux wait-for written && cat ~/t") == "10001\n"


def test_odd_logins_get_accounts_and_keep_their_names(session_of, place):
    logins = [("root", "sshkey"), ("daemon", "sshkey"), ("Ann.B", "sshkey"), ("ann@example.org", "sshkey"),
              ("x" * 64, "sshkey"), ("1st", "sshkey"), ("eve", "sshkey"), ("eve", "github"), ("steadystate", "sshkey")]
    people = [agentlib.Key(place, login, provider) for login, provider in logins]
    session = session_of(people=people).ready()
    seen = {}
    for person in people:
        out = session.ssh.out(person, "id -u; id -un; echo $STEADYSTATE_USERNAME; echo $USER; stat -c %u ~")
        uid, account, login, user, owner = out.split()
        assert login == person.login and user == account and owner == uid and int(uid) > 10000
        assert account not in seen and account not in ("root", "daemon", "steadystate")
        seen[account] = uid
    assert {"Ann.B", "eve", "eve-github"} <= set(seen)


def test_no_other_account_and_no_password(session, ann):
    for user in ("root", "ann", "nobody"):
        argv = session.ssh.argv(ann, "true")
        argv[-2] = f"{user}@127.0.0.1"
        assert steady.run(*argv, check=False).returncode == 255, user
    stranger = agentlib.Key(session.place, "stranger")
    refused = session.ssh.run(stranger, "true", check=False)
    assert refused.returncode == 255 and "Permission denied (publickey)" in refused.stderr


# --- people put out --------------------------------------------------------------------------------

def test_a_kick_ends_everything_of_the_person_and_nothing_else(session, ann, bob):
    session.ssh.run(bob, "setsid sleep 1000 >/dev/null 2>&1 </dev/null & sleep 0.1")
    goes = session.ssh.start(bob, "echo in; cat")
    stays = session.ssh.start(ann, "echo in; cat")
    assert goes.stdout.readline() == stays.stdout.readline() == "in\n"
    session.ctl.ask("users", users=[ann.user()])
    goes.communicate(timeout=20)
    steady.wait_for(lambda: "10002" not in session.inside("ps", "-eo", "uid")[1], 10, "bob's processes to end")
    assert stays.poll() is None
    stays.communicate("", timeout=20)
    assert session.ssh.run(bob, "true", check=False).returncode == 255


# --- what protects it ------------------------------------------------------------------------------

def statuses(session, uid):
    """{name: /proc/PID/status as a dict} of the processes of a uid, seen from inside."""
    _, out = session.inside("sh", "-c", "for p in /proc/[0-9]*; do cat $p/status 2>/dev/null; echo; done")
    found = {}
    for block in out.replace("\r", "").split("\n\n"):
        status = dict(line.split(":\t", 1) for line in block.splitlines() if ":\t" in line)
        if status.get("Uid", "").split("\t")[0] == str(uid):
            found[status["Name"]] = status
    return found


def test_a_collaborators_process_has_no_rights(session, ann):
    out = session.ssh.out(ann, "cat /proc/self/status")
    status = dict(line.split(":\t", 1) for line in out.splitlines())
    assert set(status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")) == {"0" * 16}
    assert status["CapBnd"] == "00000000000400c1"
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert status["Uid"].split() == ["10001"] * 4 and status["Groups"].split() == []
    refused = {
        "unshare -U true": "", "unshare -n true": "", "mount -t tmpfs x /tmp": "", "chroot / true": "",
        "touch /etc/x": "", "touch /usr/x": "", "su -c true": "", "chown 0 ~": "", "mknod ~/d c 1 3": "",
        "dmesg": "", "nsenter -t 1 -m true": "",
    }
    for command in refused:
        assert session.ssh.run(ann, command, check=False).returncode != 0, command
    sockets = "import socket\nfor f in (40, 17, 38, 16):\n try:\n  socket.socket(f, socket.SOCK_RAW, 12); print('open', f)\n except OSError as e: print(e.errno)"
    assert session.ssh.out(ann, "python3 -", input=sockets).split() == ["38", "38", "38", "38"]


def test_gdb_and_threads_and_builds_are_not_in_the_way_of_the_policy(session, ann):
    program = ("import multiprocessing, threading, subprocess, asyncio, os\n"
               "def f(x): return x * 2\n"
               "t = threading.Thread(target=f, args=(1,)); t.start(); t.join()\n"
               "print(subprocess.check_output(['echo', 'ok']).decode().strip())\n"
               "asyncio.run(asyncio.sleep(0)); os.mkfifo(os.environ['HOME'] + '/fifo')\n")
    assert session.ssh.out(ann, "python3 -", input=program) == "ok\n"
    assert session.ssh.out(ann, "git init -q ~/g && cd ~/g && git config user.name x && git config user.email x@y &&"
                                "echo a >a && git add a && git commit -qm a && git gc -q && git log --format=%s") == "a\n"


@pytest.mark.parametrize("change,message", [
    ({"SecurityOpt": []}, "no-new-privileges"),
    ({"ReadonlyRootfs": False}, "root file system"),
    ({"Memory": 2 << 30, "MemorySwap": 2 << 30}, "limit of memory"),
    ({"PidsLimit": 4096}, "limit of processes"),
    ({"NanoCpus": None}, "limit of processors"),
    ({"CapAdd": ["SETUID", "SETGID", "SYS_CHROOT", "CHOWN", "NET_RAW"]}, "more capabilities"),
    ({"CapAdd": ["SETUID", "SETGID", "CHOWN"]}, "lacks a capability"),
    ({"UsernsMode": None}, "user namespace"),
])
def test_without_its_protection_it_does_not_serve(session_of, engine, change, message):
    required = "UsernsMode" in change
    session = session_of(hardened=False, require_userns=required or engine.kind == "podman")
    session.create(**change).start()
    answer = session.ctl.ask("health")
    assert (answer["state"], answer["reason"]) == ("failed", "protection_missing")
    assert message in answer["message"]
    assert "sshd" not in session.inside("ps", "-eo", "comm")[1]


def test_it_loads_the_policy_itself_where_the_engine_was_given_none(session_of, ann):
    session = session_of(hardened=False).ready()
    for status in statuses(session, 0).values():
        if status["Name"] in ("sshd",):
            assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1"), status["Name"]
    assert session.ssh.run(ann, "unshare -U true", check=False).returncode != 0


def test_helpers_run_as_nobody_with_their_own_policy(session_of, forge):
    url = forge.repository("team/slow", {"README.md": "x\n"})
    forge.configure(fault={"kind": "slow", "seconds": 3})
    session = session_of(url=url)
    session.create().start()
    session.ctl.ask("hello")
    helpers = steady.wait_for(lambda: {k: v for k, v in statuses(session, 10000).items() if k.startswith("git")}, 20,
                              "the helper")
    for status in helpers.values():
        assert (status["NoNewPrivs"], status["Seccomp"], status["CapEff"]) == ("1", "2", "0" * 16)
        assert status["Gid"].split() == ["10000"] * 4 and status["Groups"].split() == []
        # the container's, the agent's and the helper's own
        assert int(status["Seccomp_filters"]) == 3
    forge.configure(fault=None)
    session.ctl.event("ready", 60)


def own_memory(session):
    """PSS in kB of each of our processes in the container, as the host sees them."""
    first, sizes = session.host_pid(), {}
    for pid in (first, *agentlib.descendants(first)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if "steadystate-agent" in pathlib.Path(f"/proc/{pid}/cmdline").read_text():
                rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
                sizes[pid] = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return sizes


def test_what_is_idle_is_small(session, ann):
    session.ssh.run(ann, "true")
    sizes = {}

    def small():
        sizes.update(own_memory(session))
        return len(sizes) == 2 and sum(sizes.values()) < 4096

    steady.wait_for(small, 10, f"memory given back: {sizes} kB")


def test_it_ends_at_once_though_a_helper_hangs(session_of, forge):
    url = forge.repository("team/hangs", {"README.md": "x\n"})
    forge.configure(fault={"kind": "hang"})
    session = session_of(url=url)
    session.create().start()
    session.ctl.ask("hello")
    steady.wait_for(lambda: [k for k in statuses(session, 10000) if k.startswith("git")], 20, "the helper")
    session.ctl.ask("shutdown")
    steady.wait_for(lambda: not session.running(), 10, "the container to end")


# --- restart ---------------------------------------------------------------------------------------

def test_stopped_and_started_everything_is_as_it_was(session, ann, forge):
    session.ssh.run(ann, "echo draft >draft")
    before = head(session, ann)
    session.stop()
    forge.stop()  # no new clone could work
    session.start()
    session.ctl.event("ready")
    assert session.ctl.ask("hello")["state"] == "ready"
    assert session.ssh.out(ann, "cat draft; id -u") == "draft\n10001\n"
    assert head(session, ann) == before
    forge.start()


def test_the_container_ends_with_its_agent(session):
    _, out = session.inside("ps", "-eo", "pid,args")
    agent = max(int(line.split()[0]) for line in out.splitlines() if "steadystate-agent run" in line)
    assert agent != 1
    session.inside("sh", "-c", f"kill -9 {agent}")
    steady.wait_for(lambda: not session.running(), 10, "the container to end")


# --- attacks ---------------------------------------------------------------------------------------

def test_forwards_lead_nowhere_but_to_loopback(session, ann):
    for options in (["-R", "0:127.0.0.1:22"], ["-R", "/tmp/s:127.0.0.1:22"], ["-w", "0:0"]):
        done = session.ssh.run(ann, "true", options=["-o", "ExitOnForwardFailure=yes", *options], check=False)
        assert done.returncode == 255, options
    for where in ("192.0.2.1:80", "169.254.169.254:80", "[2001:db8::1]:80"):
        done = session.ssh.run(ann, options=["-W", where], check=False)
        assert done.returncode != 0 and "prohibited" in done.stderr, where
    local = session.place / "stolen.sock"
    forward = session.ssh.start(ann, "echo in; sleep 100", options=["-L", f"{local}:/session/agent.sock"])
    assert forward.stdout.readline() == "in\n"
    with pytest.raises((EOFError, OSError)):
        agentlib.connect(local).ask("login", login="bob", provider="sshkey")
    forward.kill()
    forward.communicate()
    assert "agent" not in session.ssh.out(ann, "echo $SSH_AUTH_SOCK", options=["-A"])
    assert session.ssh.run(ann, options=["-W", "127.0.0.1:2222"], input="x\n", check=False).stdout.startswith("SSH-")


def test_other_peoples_and_the_agents_files(session, ann, bob):
    session.ssh.run(bob, "echo secret >~/secret; echo secret >private")
    attempts = [
        "cat /session/home/bob/secret", "ls /session/home/bob", "cat /session/home/bob/proj/private",
        "cat /session/spec.json", "cat /session/ssh/host_key", "cat /session/ssh/authorized_keys", "ls /session/ssh",
        "cat /session/accounts.json", "ls /session/tmp", "cat /run/steadystate/ctl.sock", "ls /run/steadystate",
        "touch /session/x", "touch /session/canonical/x", "touch /session/repo/x", "touch /session/bin/x",
        "touch /session/home/x", "touch /session/extrausers/x", "echo x >>/session/sync-log",
        "echo x >>/session/activity-log", "echo x >/session/session-info.json", "rm /session/agent.sock",
        "mv /session/canonical /session/c2", "rm -rf /session/canonical/objects", "ln -sf /x /session/bin/steadystate",
        "echo 0000000000000000000000000000000000000000 >/session/canonical/refs/heads/x",
        "git --git-dir=/session/canonical update-ref refs/heads/x HEAD",
        "git --git-dir=/session/canonical config core.hooksPath /tmp/h",
        "git push /session/canonical HEAD:refs/heads/stolen", "git push /session/repo HEAD:refs/heads/stolen",
        "kill -0 1", "kill -0 $(pgrep -u 0 -f sshd | head -1)",
    ]
    for command in attempts:
        done = session.ssh.run(ann, command, check=False)
        assert done.returncode != 0, (command, done.stdout)
    _, listing = session.inside("find", "/session/canonical", "/session/repo", "/session/bin", "-user", "ann")
    assert listing.strip() == ""


def test_the_agents_socket_knows_who_asks(session, ann):
    for verb in ("login", "attach"):
        answer = inside(session, ann, "ask", verb, json.dumps({"login": "bob", "provider": "sshkey", "kind": "shell"}))
        assert answer["ok"] is False and "uid" not in answer, answer
    who = inside(session, ann, "ask", "whoami", json.dumps({"login": "bob", "provider": "sshkey"}))
    assert who["login"] == "ann"
    assert session.inside("python3", "-c", "import socket,os; s=socket.socket(socket.AF_UNIX);"
                          "s.connect('/session/agent.sock'); print('open')", user="12345")[1].strip() == "open"


def test_a_forged_or_broken_push_changes_nothing(session, ann):
    before = head(session, ann)
    mine = {"name": "ann", "email": email(session, "ann")}
    cases = [
        {"name": "bob", "email": email(session, "bob")}, {**mine, "email": "ann@example.org"}, {**mine, "name": "Ann"},
        {**mine, "path": ".git", "tamper": "tree"}, {**mine, "path": "..", "tamper": "tree"},
        {**mine, "path": ".GiT", "tamper": "tree"}, {**mine, "path": "git~1", "tamper": "tree"},
        {**mine, "path": "a/b", "tamper": "tree"},
        {**mine, "path": ".gitmodules", "tamper": "tree", "mode": "120000"},
        {**mine, "tamper": "cut"}, {**mine, "tamper": "many"}, {**mine, "tamper": "incomplete"},
    ]
    for case in cases:
        answer = push(session, ann, **case)
        assert answer.get("ok") is not True and answer.get("error") != "conflict", (case, answer)
        assert head(session, ann) == before, case
    assert "quarantine" not in session.inside("ls", "/session/canonical")[1]
    answer = push(session, ann, **mine)
    assert answer["ok"] is True and answer["head"] == answer["tried"], answer
    assert json.loads(session.ssh.out(ann, "tail -1 $SYNC_LOG"))["user"] == "ann"


def test_a_pack_that_never_ends_is_cut_off_and_others_work_on(session, ann, bob):
    flood = ("import os, socket, struct, json\n"
             "s = socket.socket(socket.AF_UNIX); s.connect('/session/agent.sock')\n"
             "def send(k, p): s.sendall(struct.pack('>IcI', len(p) + 5, k, 1) + p)\n"
             "send(b'J', json.dumps({'verb': 'push', 'parent': '0' * 40, 'commit': '1' * 40}).encode())\n"
             "try:\n"
             " for i in range(200): send(b'D', b'PACK' + b'\\0\\0\\0\\2' + b'\\0\\0\\0\\1' + bytes(1000000))\n"
             " send(b'E', b''); print(s.recv(1000))\n"
             "except OSError as e: print('cut off', e)\n")
    slow = session.ssh.start(ann, "python3 -")
    slow.stdin.write(flood)
    slow.stdin.close()
    started = time.monotonic()
    assert len(head(session, bob)) == 40
    assert time.monotonic() - started < 20
    slow.wait(120)
    slow.stdout.close()
    slow.stderr.close()
    assert "quarantine" not in session.inside("ls", "/session/canonical")[1]
    open_many = ("import socket\nl = []\n"
                 "for i in range(200):\n s = socket.socket(socket.AF_UNIX); s.connect('/session/agent.sock'); l.append(s)\n"
                 "n = 0\n"
                 "for s in l:\n s.settimeout(0.02)\n try:\n  n += s.recv(1) == b''\n except TimeoutError: pass\n"
                 "print(n)\n")
    assert int(session.ssh.out(ann, "python3 -", input=open_many)) >= 200 - 64
    assert len(head(session, bob)) == 40


def test_ptrace_and_proc_of_agent_and_helpers(session, ann):
    script = ("import ctypes, os\n"
              "libc = ctypes.CDLL(None, use_errno=True)\n"
              "mine = os.getuid()\n"
              "for p in sorted(int(x) for x in os.listdir('/proc') if x.isdigit()):\n"
              " try: uid = os.stat(f'/proc/{p}').st_uid\n"
              " except OSError: continue\n"
              " if uid == mine: continue\n"
              " r = libc.ptrace(16, p, 0, 0)\n"
              " if r == 0: print('attached', p)\n"
              " for name in ('environ', 'mem', 'maps', 'fd/0', 'cwd/.'):\n"
              "  try:\n"
              "   open(f'/proc/{p}/{name}', 'rb').read(10); print('read', p, name)\n"
              "  except OSError: pass\n"
              "print('done')\n")
    assert session.ssh.out(ann, "python3 -", input=script) == "done\n"


def test_the_token_is_nowhere(session_of, forge, ann, bob):
    url = forge.repository("team/private", {"README.md": "x\n"})
    forge.configure(tokens={TOKEN: "team"}, private=["team/private"])
    session = session_of(url=url)
    with pytest.raises(AssertionError, match="authentication_required"):
        session.ready()
    session.close()
    session = session_of(url=url).ready(token={"host": forge.host, "username": "x", "secret": TOKEN})
    answer = push(session, ann, name="ann", email=email(session, "ann"))
    assert answer["ok"] is True
    forge.configure(fault={"kind": "slow", "seconds": 2})
    script = (HERE / "inside_client.py").read_text()
    publish = session.ssh.start(ann, "python3 - ask publish " + shlex.quote(json.dumps({"expect": answer["head"]})))
    publish.stdin.write(script)
    publish.stdin.close()
    steady.wait_for(lambda: [k for k in statuses(session, 10000) if k.startswith("git")], 20, "the helper")
    # While the helper holds it: everything that a collaborator, and then everything that root can read.
    hunt = ("cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -c {0};"
            "grep -rIsl --exclude-dir=proc {0} /session /tmp /run /var/tmp /etc 2>/dev/null | wc -l")
    token = "to[k]-Zk2vq8XhNwYt5LrPc0Ma"
    assert session.ssh.out(bob, hunt.format(shlex.quote(token)) + "; true").split() == ["0", "0"]
    _, found = session.inside("sh", "-c", "cat /proc/*/cmdline | tr '\\0' '\\n' | grep -c %s; "
                              "grep -rIsl %s /session /tmp /run /var/tmp /etc | wc -l" % (token, token))
    assert found.split() == ["0", "0"]
    assert json.loads(publish.stdout.read())["ok"] is True
    publish.wait(20)
    publish.stdout.close()
    publish.stderr.close()
    assert TOKEN not in session.log()
    assert forge.branches("team/private")[-1] == session.spec["session_branch"]
    for request in forge.requests():
        assert TOKEN not in request["path"]
