"""Covers: `join` with the link's host key in a file of the session's own, statuses and output of remote
commands, the sentences when a key is not known, the session is somebody else's, ended, or not the
link's, and a peer that falls silent; `ssh-config --write` and what `down` takes away again.
Not covered: what the session does with a connection (test_agent_*), pair mode's --read-only."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

import pytest

import steady

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="starts sessions as another account")


@pytest.fixture
def running(server_of, forge):
    server = server_of("local")
    ann, ben = server.person("ann"), server.person("ben")
    return server, ann, ben, ann.up(forge.repository("org/proj"))


def other_key(person, name="other"):
    file = person.directory / name
    steady.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file)
    return file, steady.run("ssh-keygen", "-lf", file).stdout.split()[1]


def at(link, port, key=None):
    """The link with another port, and host key."""
    link = re.sub(r"%3A\d+&", f"%3A{port}&", link)
    return re.sub(r"host_key=.*", "host_key=" + urllib.parse.quote(key), link) if key else link


def test_host_key_status_and_output(running):
    _, ann, _, session = running
    done = ann.cli("join", "-i", ann.key, session.link, "--", "echo out; echo err >&2; exit 7", check=False)
    # sshd itself may say that the account has no home.
    assert (done.returncode, done.stdout, done.stderr.splitlines()[-1]) == (7, "out\n", "err")
    known = ann.directory / "config/known_hosts.d" / session.id
    assert known.read_text().split(" ", 1)[1].strip() == session.info["host_public_key"]
    assert known.stat().st_mode & 0o777 == 0o600
    # 255 may be the command's own; words are passed on as they are; input arrives.
    assert ann.cli("join", "-i", ann.key, session.link, "--", "exit 255", check=False).returncode == 255
    assert ann.cli("join", "-i", ann.key, session.link, "--", "printf", "%s|", "a b", "$HOME").stdout == "a b|$HOME|"
    assert ann.cli("join", "-i", ann.key, session.link, "--", "cat", input="in\n").stdout == "in\n"


def test_why_it_is_refused(running):
    server, ann, ben, session = running
    file, fingerprint = other_key(ann)
    done = ann.cli("join", "-i", file, session.link, "--", "true", check=False)
    assert done.returncode == 5
    assert "this session knows keys of ann and ben; you offered " + fingerprint in done.stderr
    assert "which the server's users file does not list for ann" in done.stderr
    # Somebody who may join, and does not own it.
    file, fingerprint = other_key(ben)
    done = ben.cli("join", "-i", file, session.link, "--", "true", check=False)
    assert done.returncode == 5 and "you may join this session of ann; you offered " + fingerprint in done.stderr
    assert "does not list for ben" in done.stderr
    # The right key, which ssh will not use.
    ben.key.chmod(0o644)
    done = ben.cli("join", "-i", ben.key, session.link, "--", "true", check=False)
    assert done.returncode == 5 and "the session knows your key, and ssh cannot use it: " in done.stderr
    assert "bad permissions" in done.stderr or "too open" in done.stderr
    ben.key.chmod(0o600)
    # A stranger, and somebody who is not logged in.
    private = ann.up(session.info["repo_url"], "--allow", "none")
    done = ben.cli("join", "-i", ben.key, private.link, "--", "true", check=False)
    assert done.returncode == 5 and "this session is not open to ben" in done.stderr
    ben.cli("logout")
    done = ben.cli("join", "-i", ben.key, private.link, "--", "true", check=False)
    assert done.returncode == 5 and "takes none of your keys" in done.stderr and "steadystate login" in done.stderr
    assert server.process.poll() is None


def test_another_host_and_no_host(running):
    _, ann, _, session = running
    wrong = steady.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ann.directory / "host", check=True)
    assert wrong.returncode == 0
    key = " ".join((ann.directory / "host.pub").read_text().split()[:2])
    done = ann.cli("join", "-i", ann.key, at(session.link, session.port, key), "--", "true", check=False)
    assert done.returncode == 5 and "it has another host key" in done.stderr
    done = ann.cli("join", "-i", ann.key, at(session.link, steady.free_port()), "--", "true", check=False)
    assert done.returncode == 6 and "Connection refused" in done.stderr
    ann.cli("down", session.id)
    done = ann.cli("join", "-i", ann.key, session.link, "--", "true", check=False)
    assert done.returncode == 6 and "the session is Terminated" in done.stderr


class Relay:
    """Passes one connection on until it is told to fall silent."""

    def __init__(self, port):
        self.target = port
        self.silent = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        near, _ = self.listener.accept()
        with near, socket.create_connection(("127.0.0.1", self.target)) as far:
            while not self.ended.is_set():
                for ready in select.select([near, far], [], [], 0.1)[0]:
                    data = ready.recv(65536) if not self.silent.is_set() else None
                    if data == b"":
                        return
                    if data:
                        (far if ready is near else near).sendall(data)
                if self.silent.is_set():
                    self.ended.wait()

    def close(self):
        self.ended.set()
        self.thread.join()
        self.listener.close()


def test_a_peer_that_falls_silent_ends_with_a_sentence(running):
    _, ann, _, session = running
    relay = Relay(session.port)
    try:
        argv = [str(steady.BUILD / "steadystate"), "join", "-i", str(ann.key), at(session.link, relay.port),
                "--", "echo in; cat"]
        with subprocess.Popen(argv, env=ann.environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            assert process.stdout.readline() == "in\n"
            relay.silent.set()
            began = time.monotonic()
            assert process.wait(60) == 6
            assert "the connection was lost" in process.stderr.read()
            # Four looks, seven seconds apart: 28, and a busy machine's own.
            assert time.monotonic() - began < 45
    finally:
        relay.close()


def test_a_terminal_has_a_prompt_and_passes_keys_on(running):
    _, ann, _, session = running
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(steady.BUILD / "steadystate", ["steadystate", "join", "-i", str(ann.key), session.link],
                  {**ann.environment, "TERM": "xterm"})
    seen = b""

    def until(what):
        nonlocal seen
        def look():
            nonlocal seen
            if select.select([terminal], [], [], 0.2)[0]:
                seen += os.read(terminal, 65536)
            return what in seen
        steady.wait_for(look, 60, what.decode())
        seen = seen[seen.index(what) + len(what):]

    until(b"$ ")
    # Said by the program itself: the shell must have given the terminal away before the key comes.
    os.write(terminal, b"sh -c 'echo g$((1))o; exec sleep 1000'\n")
    until(b"g1o")
    os.write(terminal, b"\x03")  # the remote program's, not ssh's
    until(b"^C")
    until(b"$ ")
    os.write(terminal, b"echo still $((40+2))\n")
    until(b"still 42")
    os.write(terminal, b"exit 3\n")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    os.close(terminal)


def test_ssh_config_written_used_and_taken_away(running):
    _, ann, _, session = running
    ssh = ann.directory / ".ssh"
    ssh.mkdir(mode=0o700)
    (ssh / "config").write_text("Host somewhere\n    User me\n")
    (ssh / "config").chmod(0o600)
    for _ in range(2):
        name = ann.cli("ssh-config", "--write", "-i", ann.key, session.link).stdout.strip()
    assert name == f"steadystate-{session.id[:6]}"
    config = (ssh / "config").read_text()
    assert config == "Include steadystate/*.conf\n\nHost somewhere\n    User me\n"
    entry = ssh / "steadystate" / f"{session.id}.conf"
    assert entry.stat().st_mode & 0o777 == 0o600
    assert "StrictHostKeyChecking yes" in entry.read_text()
    # ssh takes its own configuration from the account's home, so the test names it.
    relative = ["-F", str(entry)]
    assert steady.run("ssh", *relative, "-oBatchMode=yes", name, "echo $STEADYSTATE_USERNAME",
                      env=ann.environment).stdout == "ann\n"
    (ann.directory / "up.txt").write_text("up\n")
    steady.run("scp", "-q", *relative, ann.directory / "up.txt", f"{name}:up.txt", env=ann.environment)
    steady.run("rsync", "-a", "-e", f"ssh -F {entry}", f"{name}:up.txt", ann.directory / "down.txt",
               env=ann.environment)
    assert (ann.directory / "down.txt").read_text() == "up\n"
    steady.git("clone", "-q", f"{name}:proj", ann.directory / "clone",
               env={"GIT_SSH_COMMAND": f"ssh -F {entry} -oBatchMode=yes", "HOME": str(ann.directory)})
    assert (ann.directory / "clone/README.md").exists()
    ann.cli("down", session.id)
    assert not entry.exists() and not (ann.directory / "config/known_hosts.d" / session.id).exists()
    assert (ssh / "config").read_text() == config
    assert json.loads(ann.cli("list", "--json").stdout) is not None


def test_sessions_whose_ids_begin_alike_have_names_of_their_own(running):
    _, ann, _, session = running
    twin = session.id[:6] + "a" * 14
    names = [ann.cli("ssh-config", "--write", link).stdout.strip()
             for link in (session.link, session.link.replace(session.id, twin), session.link)]
    assert names[0] == f"steadystate-{session.id[:6]}" and names[1] == f"steadystate-{twin}"
    # Written again beside the other, it stops being short as well.
    assert names[2] == f"steadystate-{session.id}"


def test_a_plain_connection_is_a_shell_and_adds_nothing(running):
    """What the links are for: `ssh -p port user@host`, with nothing of ours on the laptop."""
    _, ann, _, session = running
    done = steady.run("ssh", *ann.ssh_argv(session), "-T", "-p", session.port, f"{session.user}@{session.host}",
                      input="cat README.md; exit 4\n", env=ann.environment, check=False)
    assert (done.returncode, done.stdout) == (4, "# project\n")
    for options in ([], ["-O"]):
        steady.run("scp", "-q", *options, *ann.ssh_argv(session), "-P", session.port,
                   f"{session.user}@{session.host}:README.md", ann.directory / "got", env=ann.environment)
        assert (ann.directory / "got").read_text() == "# project\n"


def test_a_killed_connection_does_not_keep_a_session_from_idling(server_of, forge):
    server = server_of("local", STEADYSTATE_IDLE_TTL_SECS="4")
    ann = server.person("ann")
    session = ann.up(forge.repository("org/proj"))
    argv = ["ssh", *ann.ssh_argv(session), "-p", str(session.port), f"{session.user}@{session.host}"]
    kept = subprocess.Popen([*argv, "echo in; cat"], env=ann.environment, text=True, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)
    killed = subprocess.Popen([*argv, "echo in; cat"], env=ann.environment, text=True, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    with kept, killed:
        assert kept.stdout.readline() == killed.stdout.readline() == "in\n"
        killed.kill()
        # Of two connections one is left: still there, and longer than the session may idle.
        until = time.monotonic() + 8
        while time.monotonic() < until:
            member = json.loads(ann.cli("members", "--json", session.id).stdout)["members"][0]
            assert member["login"] == "ann" and member["connected"]
            time.sleep(0.5)
        kept.kill()
    def ended():
        done = ann.cli("list", "--json", check=False)
        return all(s["state"] not in ("Running", "Terminating") or s["id"] != session.id
                   for s in json.loads(done.stdout)["sessions"])
    steady.wait_for(ended, 90, "the session to idle out")


def test_ended_from_outside_it_takes_ssh_along(running):
    _, ann, _, session = running
    argv = [str(steady.BUILD / "steadystate"), "join", "-i", str(ann.key), session.link, "--", "echo in; cat"]
    with subprocess.Popen(argv, env=ann.environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:
        assert process.stdout.readline() == "in\n"
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        assert process.stdout.read() == ""  # ends only when ssh has ended, too
