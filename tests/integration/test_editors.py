"""Covers: what VS Code Remote-SSH and JetBrains Gateway do over a session's SSH, step by step with
OpenSSH's client: one multiplexed connection with several exec channels, a script on standard input, a
server tarball by sftp, a daemon from it that outlives the channel and the connection, forwards to the
session's loopback (-L and -D), and scp, rsync and git beside them.
Not covered: the editors themselves; forwards to other places (test_agent_*)."""

import io
import os
import shlex
import socket
import struct
import subprocess
import tarfile

import pytest

import agentlib
import engines
import steady
import synclib

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="starts agents as another account")

# The remote half of an editor: answers lines on a port of its own choice.
SERVER = r"""
use IO::Socket::INET; use IO::Select;
$SIG{HUP} = 'IGNORE';
my $listener = IO::Socket::INET->new(Listen => 8, LocalAddr => '127.0.0.1', Proto => 'tcp') or die "listen: $!";
open(my $file, '>', 'port.new'); print $file $listener->sockport, "\n"; close $file; rename 'port.new', 'port';
while (my $peer = $listener->accept) {
    next if fork; $peer->autoflush(1);
    while (defined(my $line = <$peer>)) { print $peer "$$ got $line" }
    exit;
}
"""


@pytest.fixture(params=["local", "podman"])
def session(request, place):
    key = agentlib.Key(place, "ann")
    if request.param == "local":
        origin = synclib.make_origin(place, request.getfixturevalue("local_account"))
        agent = agentlib.LocalAgent(place, [key], origin, request.getfixturevalue("local_account"))
    else:
        engine, forge = request.getfixturevalue("podman"), request.getfixturevalue("forge")
        agent = agentlib.ContainerAgent(engine, engines.session_image(engine), place, [key],
                                        forge.repository("org/proj", {"README.md": "one\ntwo\nthree\n"}),
                                        request.getfixturevalue("addresses"), allowed_hosts=[forge.host])
    try:
        agent.ready()
        yield agent, key
    finally:
        agent.close()


class Master:
    """One connection that everything else shares."""

    def __init__(self, agent, key, place, name="m"):
        self.agent = agent
        self.path = place / name
        self.options = [*key.options(agent.ssh.known_hosts), "-o", f"ControlPath={self.path}", "-o", "LogLevel=ERROR"]
        self.where = f"{agent.ssh.user}@127.0.0.1"
        self.process = subprocess.Popen(
            ["ssh", *self.options, "-o", "ControlMaster=yes", "-N", "-p", str(agent.port), self.where],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        steady.wait_for(lambda: self.control("check", check=False).returncode == 0, 60, "the master connection")

    def argv(self, *command):
        return ["ssh", *self.options, "-o", "ControlMaster=no", "-T", "-p", str(self.agent.port), self.where, *command]

    def run(self, *command, **keywords):
        return steady.run(*self.argv(*command), **keywords)

    def control(self, what, *options, check=True):
        return steady.run("ssh", *self.options, "-O", what, *options, "-p", str(self.agent.port), self.where, check=check)

    def close(self):
        if self.process.poll() is None:
            self.control("exit", check=False)
        self.process.wait(20)


def tarball(place):
    path = place / "server.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("server/bin/server.pl")
        data = SERVER.encode()
        info.size, info.mode = len(data), 0o755
        tar.addfile(info, io.BytesIO(data))
        filling = os.urandom(3 << 20)
        info = tarfile.TarInfo("server/lib/filling")
        info.size = len(filling)
        tar.addfile(info, io.BytesIO(filling))
    return path


def ask(connected, text):
    connected.settimeout(30)
    connected.sendall(text.encode() + b"\n")
    answer = b""
    while not answer.endswith(b"\n"):
        piece = connected.recv(4096)
        assert piece, "the daemon has hung up"
        answer += piece
    return answer.decode()


def socks(port, host, to):
    """(reply code, socket) of a SOCKS5 CONNECT."""
    connected = socket.create_connection(("127.0.0.1", port), 30)
    connected.sendall(b"\x05\x01\x00")
    assert connected.recv(2) == b"\x05\x00"
    connected.sendall(b"\x05\x01\x00\x01" + socket.inet_aton(host) + struct.pack(">H", to))
    answer = connected.recv(10)
    return (answer[1] if len(answer) > 1 else 255), connected


def test_the_steps_of_a_remote_editor(session, place):
    agent, key = session
    first = Master(agent, key, place)
    try:
        # Several exec channels at once, as an editor looks around; nothing but the answer on stdout.
        asked = {"uname -sm": "Linux", "echo $STEADYSTATE_USERNAME": "ann", "printf %s \"$SHELL\"": "/bin/bash",
                 "bash -lc 'command -v git'": "/usr/bin/git", "cat README.md": "one\ntwo\nthree"}
        running = {c: subprocess.Popen(first.argv(c), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                   for c in asked}
        for command, process in running.items():
            out, errors = process.communicate(timeout=120)
            assert process.returncode == 0 and out.strip().startswith(asked[command]), (command, errors)
        # VS Code: `ssh -T host bash` with a script on its standard input.
        script = "set -e\nmkdir -p ~/.editor/bin\ncd ~/.editor/bin\numask 077\necho start; test -d server || echo missing\n"
        assert first.run("bash", input=script).stdout == "start\nmissing\n"
        # The server's tarball, by sftp, renamed when it is whole.
        tar = tarball(place)
        home = first.run("echo ~").stdout.strip()
        steady.run("sftp", *first.options, "-q", "-b", "-", "-P", str(agent.port), first.where,
                   input=f"put {tar} {home}/.editor/bin/part\nrename {home}/.editor/bin/part {home}/.editor/bin/tar.gz\n")
        # Unpacked, and a daemon from it that leaves the channel free.
        first.run("bash", input="set -e\ncd ~/.editor/bin\ntar xzf tar.gz\n"
                                "nohup setsid perl server/bin/server.pl >log 2>&1 </dev/null &\necho $! >pid\n")
        port = int(steady.wait_for(lambda: first.run("cat ~/.editor/bin/port || true").stdout.strip(), 30, "its port"))
        # JetBrains: a forward to the session's loopback, used by several connections at once.
        near = steady.free_port()
        first.control("forward", "-L", f"127.0.0.1:{near}:127.0.0.1:{port}")
        with socket.create_connection(("127.0.0.1", near)) as one, socket.create_connection(("127.0.0.1", near)) as two:
            before = ask(one, "a")
            assert before.endswith("got a\n") and ask(two, "b").endswith("got b\n")
            assert ask(one, "c").split()[0] == before.split()[0]
        # VS Code: a dynamic forward; to the loopback it leads, to other places it does not.
        dynamic = steady.free_port()
        first.control("forward", "-D", f"127.0.0.1:{dynamic}")
        code, through = socks(dynamic, "127.0.0.1", port)
        with through:
            assert code == 0 and ask(through, "d").endswith("got d\n")
        code, through = socks(dynamic, "192.0.2.1", 80)
        with through:
            assert code != 0 or through.recv(1) == b""
    finally:
        first.close()
    # The connection is gone, the editor's other half is not: it comes back to it.
    second = Master(agent, key, place, "n")
    try:
        near = steady.free_port()
        second.control("forward", "-L", f"127.0.0.1:{near}:localhost:{port}")
        with socket.create_connection(("127.0.0.1", near)) as again:
            assert ask(again, "e").endswith("got e\n")
        second.run("kill $(cat ~/.editor/bin/pid)")
        # The other tools, on the same connection.
        shell = shlex.join(["ssh", *second.options, "-o", "ControlMaster=no", "-p", str(agent.port)])
        tree = place / "tree"
        (tree / "deep").mkdir(parents=True)
        (tree / "deep/file").write_text("x\n")
        (tree / "run").write_text("#!/bin/sh\n")
        (tree / "run").chmod(0o755)
        steady.run("rsync", "-a", "-e", shell, f"{tree}/", f"{second.where}:tree")
        steady.run("scp", "-q", "-r", *second.options, "-P", str(agent.port), f"{second.where}:tree", place / "back")
        assert (place / "back/deep/file").read_text() == "x\n" and os.access(place / "back/run", os.X_OK)
        steady.git("clone", "-q", f"ssh://{second.where}:{agent.port}/proj", place / "clone",
                   env={"GIT_SSH_COMMAND": shell})
        assert (place / "clone/README.md").read_text() == "one\ntwo\nthree\n"
    finally:
        second.close()


def test_a_channel_or_two_that_break_leave_the_others(session, place):
    """Multiplexing: a killed client ends its own channel only."""
    agent, key = session
    master = Master(agent, key, place)
    try:
        with subprocess.Popen(master.argv("echo in; cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as stays:
            assert stays.stdout.readline() == "in\n"
            for _ in range(3):
                with subprocess.Popen(master.argv("echo in; sleep 1000"), stdout=subprocess.PIPE, text=True) as goes:
                    assert goes.stdout.readline() == "in\n"
                    goes.kill()
            stays.stdin.write("still\n")
            stays.stdin.flush()
            assert stays.stdout.readline() == "still\n"
            stays.stdin.close()
            assert stays.wait(20) == 0
    finally:
        master.close()
