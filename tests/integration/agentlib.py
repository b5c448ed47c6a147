"""Driving one steadystate-agent without a server: its spec, its control channel, people with keys.

`Frames` speaks docs/protocols.md over a socket; `LocalAgent` runs an agent under the local provider.
"""

import contextlib
import io
import ipaddress
import json
import os
import pathlib
import pwd
import random
import signal
import socket
import struct
import subprocess
import tarfile

import steady

AGENT = steady.BUILD / "steadystate-agent"


class Refused(Exception):
    """An answer with "ok": false."""

    def __init__(self, answer):
        super().__init__(f"{answer.get('error')}: {answer.get('detail')}")
        self.answer = answer
        self.word = answer.get("error")


class Frames:
    """A framed connection. Events that come between are kept in `events`."""

    def __init__(self, connected):
        self.socket = connected
        self.socket.settimeout(60)
        self.events = []
        self.last = 0

    def send(self, kind, number, payload=b""):
        self.socket.sendall(struct.pack(">IcI", len(payload) + 5, kind, number) + payload)

    def _exactly(self, n):
        data = b""
        while len(data) < n:
            piece = self.socket.recv(n - len(data))
            if not piece:
                raise EOFError("the other side has gone")
            data += piece
        return data

    def read(self):
        length, kind, number = struct.unpack(">IcI", self._exactly(9))
        return kind, number, self._exactly(length - 5)

    def ask(self, verb, **members):
        number = self.begin(verb, **members)
        return self.answer(number)[0]

    def begin(self, verb, **members):
        self.last += 1
        self.send(b"J", self.last, json.dumps({"verb": verb, **members}).encode())
        return self.last

    def answer(self, number):
        """(answer, data that came before it)."""
        data = b""
        while True:
            kind, got, payload = self.read()
            if kind == b"J" and got == 0:
                self.events.append(json.loads(payload))
            elif kind == b"D" and got == number:
                data += payload
            elif kind == b"J" and got == number:
                answer = json.loads(payload)
                if not answer["ok"]:
                    raise Refused(answer)
                return answer, data
            else:
                assert kind == b"E" and got == number, (kind, got, payload)

    def event(self, name, timeout=60, **members):
        """The next event of that name (and with these members); earlier ones are dropped."""
        def wanted(e):
            return e["event"] == name and all(e.get(k) == v for k, v in members.items())
        self.socket.settimeout(timeout)
        try:
            while True:
                while self.events:
                    event = self.events.pop(0)
                    if wanted(event):
                        return event
                    assert event["event"] != "failed", event
                kind, number, payload = self.read()
                assert kind == b"J" and number == 0, (kind, number, payload)
                self.events.append(json.loads(payload))
        finally:
            self.socket.settimeout(60)

    def close(self):
        self.socket.close()


def connect(path):
    connected = socket.socket(socket.AF_UNIX)
    try:
        connected.connect(str(path))
    except OSError:
        connected.close()
        raise
    return Frames(connected)


class Key:
    """Somebody's SSH key."""

    def __init__(self, directory, login, provider="sshkey"):
        self.login, self.provider = login, provider
        self.file = pathlib.Path(directory) / f"key-{provider}-{login}"
        steady.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", login, "-f", self.file)
        self.public = " ".join((self.file.parent / (self.file.name + ".pub")).read_text().split()[:2])

    def user(self):
        return {"login": self.login, "provider": self.provider, "keys": [self.public]}

    def options(self, known_hosts):
        return ["-F", "none", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={known_hosts}",
                "-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=/dev/null", "-i", str(self.file)]


def make_spec(directory, people, repository, port, **members):
    """A spec as the server writes it, and the private host key beside it."""
    directory = pathlib.Path(directory)
    session = "".join(random.choices("abcdefghijklmnopqrstuvwxyz234567", k=20))
    host_key = directory / f"host_key-{session}"
    steady.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", host_key)
    public = " ".join((directory / f"host_key-{session}.pub").read_text().split()[:2])
    name = repository.rstrip("/").rsplit("/", 1)[1].removesuffix(".git")
    spec = {
        "id": session, "server_id": "test", "mode": "collab", "environment": "noenv", "repo_url": repository,
        "repo_name": name, "session_branch": f"steadystate/collab/{session}",
        "creator_login": people[0].login, "creator_provider": people[0].provider,
        "users": [p.user() for p in people], "ssh_user": "steadystate", "ssh_host": "127.0.0.1", "ssh_port": port,
        "ssh_bind": "127.0.0.1", "host_key_public": public, "magic_link": f"steadystate://collab/{session}?ssh=x",
        "memory": 0, "cpus_milli": 0, "pids": 0, "disk": 0, "uid_base": 0, "require_userns": False,
        "allowed_hosts": [], "allow_local_repos": True, "created_at": 1700000000, **members,
    }
    return spec, host_key.read_text()


class Ssh:
    """The ways into a session for the test's people."""

    def __init__(self, place, user, port, public_host_key):
        self.user, self.port = user, port
        self.known_hosts = pathlib.Path(place) / "known_hosts"
        self.known_hosts.write_text(f"[127.0.0.1]:{port} {public_host_key}\n")

    def argv(self, key, *command, options=()):
        return ["ssh", *key.options(self.known_hosts), *options, "-p", str(self.port), f"{self.user}@127.0.0.1",
                *command]

    def run(self, key, *command, check=True, options=(), **keywords):
        return steady.run(*self.argv(key, *command, options=options), check=check, **keywords)

    def out(self, key, *command, **keywords):
        return self.run(key, *command, **keywords).stdout

    def start(self, key, *command, options=(), **keywords):
        keywords.setdefault("stdin", subprocess.PIPE)
        keywords.setdefault("stdout", subprocess.PIPE)
        keywords.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen(self.argv(key, *command, options=options), text=True, **keywords)


class LocalAgent:
    """An agent under the local provider, as an ordinary user."""

    def __init__(self, place, people, repository, account, **members):
        self.place = pathlib.Path(place)
        self.people = people
        self.account = pwd.getpwnam(account)
        self.root = self.place / "s"
        self.process = None
        self.port = members.pop("port", None) or steady.free_port()
        self.spec, self.host_key = make_spec(self.place, people, str(repository), self.port, **members)
        self.write()
        self.ssh = Ssh(self.place, account, self.port, self.spec["host_key_public"])

    def write(self):
        for directory in (self.root, self.root / "ssh"):
            directory.mkdir(mode=0o700)
        files = {"spec.json": json.dumps(self.spec), "ssh/host_key": self.host_key}
        for name, text in files.items():
            (self.root / name).write_text(text)
            (self.root / name).chmod(0o600)
        for path in (self.root, *self.root.rglob("*")):
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def start(self):
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "ASAN_OPTIONS": "detect_leaks=1"}
        self.log = open(self.place / "agent.log", "a")
        self.process = subprocess.Popen(
            [AGENT, "run", "--local", "--session-root", self.root], user=self.account.pw_uid,
            group=self.account.pw_gid, extra_groups=[], env=environment, stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log)
        self.ctl = steady.wait_for(self._connect, 20, "ctl.sock")
        return self

    def _connect(self):
        assert self.process.poll() is None, (self.place / "agent.log").read_text()
        with contextlib.suppress(OSError):
            return connect(self.root / "ctl.sock")

    def hello(self, **secrets):
        return self.ctl.ask("hello", **secrets)

    def ready(self, timeout=60):
        """Starts, says hello and waits until the session is ready."""
        self.start()
        self.hello()
        self.ctl.event("ready", timeout)
        return self

    def sock(self):
        return connect(self.root / "agent.sock")

    def kill(self):
        """As a crash would: everything of it at once."""
        for child in descendants(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.process.kill()
        self.end()

    def end(self):
        self.process.wait(20)
        self.process = None
        self.ctl.close()
        self.log.close()

    def close(self):
        if not self.process:
            return
        if self.process.poll() is None:
            self.process.terminate()
        self.end()


def descendants(pid):
    """Processes below pid, deepest last."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


class Multiplexed:
    """A hijacked attach stream of an engine as a socket: what comes is unpacked, stderr set aside."""

    def __init__(self, path, url):
        self.raw = socket.socket(socket.AF_UNIX)
        self.raw.settimeout(60)
        self.raw.connect(path)
        self.raw.sendall(f"POST /v1.41{url} HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\n"
                         "Upgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        if b" 409 " in head.split(b"\r\n")[0]:
            self.raw.close()
            raise ConnectionRefusedError
        assert b" 101 " in head.split(b"\r\n")[0] or b" 200 " in head.split(b"\r\n")[0], head
        self.out = b""
        self.stderr = b""

    def _more(self):
        piece = self.raw.recv(65536)
        if not piece:
            raise EOFError(f"the container has ended: {getattr(self, 'stderr', b'')}")
        self.buffer += piece

    def settimeout(self, seconds):
        self.raw.settimeout(seconds)

    def sendall(self, data):
        self.raw.sendall(data)

    def recv(self, n):
        while not self.out:
            while len(self.buffer) < 8 or len(self.buffer) < 8 + int.from_bytes(self.buffer[4:8], "big"):
                self._more()
            stream, size = self.buffer[0], int.from_bytes(self.buffer[4:8], "big")
            data, self.buffer = self.buffer[8:8 + size], self.buffer[8 + size:]
            if stream == 2:
                self.stderr += data
            else:
                self.out += data
        data, self.out = self.out[:n], self.out[n:]
        return data

    def close(self):
        self.raw.close()


UID_BASE = 700000000


class ContainerAgent:
    """The agent as PID 1 of a container that is made as the server makes it."""

    def __init__(self, engine, image, place, people, repository, addresses, hardened=True, **members):
        self.engine, self.image = engine, image
        self.place = pathlib.Path(place)
        self.people = people
        first = int(addresses.ports.split("-", maxsplit=1)[0])
        self.port = first + random.randrange(100)
        # One of the block's 256: an engine may need a while to forget a subnet that was just in use.
        block = ipaddress.ip_network(addresses.subnets)
        self.subnet = str(random.choice(list(block.subnets(new_prefix=28))))
        members = {"memory": 1 << 30, "cpus_milli": 2000, "pids": 512, "require_userns": engine.kind == "podman",
                   "allow_local_repos": False, **members}
        self.spec, self.host_key = make_spec(self.place, people, repository, self.port, **members)
        self.name = f"steadystate-test-{self.spec['id'][:12]}"
        self.hardened = hardened
        self.ssh = Ssh(self.place, "steadystate", self.port, self.spec["host_key_public"])
        self.ctl = None

    def _do(self, method, path, body=None, okay=(200, 201, 204, 304), **keywords):
        status, answer = self.engine.request(method, path, body, **keywords)
        assert status in okay, (method, path, status, answer)
        return answer

    def create(self, **changes):
        label = {"steadystate.test": self.name}
        self._do("POST", "/networks/create", {"Name": self.name, "Driver": "bridge", "Labels": label,
                                              "IPAM": {"Config": [{"Subnet": self.subnet}]},
                                              "Options": {"com.docker.network.bridge.name":
                                                          "st" + self.spec["id"][:12]}})
        self._do("POST", "/volumes/create", {"Name": self.name, "Labels": label})
        host = {
            "Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 4096}, {"Name": "nproc", "Soft": 1024, "Hard": 4096}],
            "CapDrop": ["ALL"], "CapAdd": ["SETUID", "SETGID", "SYS_CHROOT", "CHOWN"], "ReadonlyRootfs": True,
            "SecurityOpt": ["no-new-privileges"], "NetworkMode": self.name, "Memory": 1 << 30, "MemorySwap": 1 << 30,
            "NanoCpus": 2000000000, "PidsLimit": 512, "RestartPolicy": {"Name": "no"},
            "Tmpfs": {"/run": "mode=755,size=16m", "/tmp": "mode=1777,exec,size=256m",
                      "/var/tmp": "mode=1777,exec,size=256m"},
            "Mounts": [{"Type": "volume", "Source": self.name, "Target": "/session"}],
            "PortBindings": {"2222/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(self.port)}]},
        }
        if self.engine.kind == "podman":
            mapping = f"0:{UID_BASE}:65536"
            host["UsernsMode"] = f"auto:size=65536,uidmapping={mapping},gidmapping={mapping}"
        if self.hardened:
            policy = steady.run(AGENT, "policy", "session").stdout
            if self.engine.kind == "docker":
                host["SecurityOpt"].append(f"seccomp={policy}")
            else:
                file = self.place / "session.json"
                file.write_text(policy)
                host["SecurityOpt"].append(f"seccomp={file}")
        host.update(changes)
        host = {k: v for k, v in host.items() if v is not None}
        self._do("POST", f"/containers/create?name={self.name}", {
            "Image": self.image, "Labels": label, "User": "0:0", "OpenStdin": True, "AttachStdin": True,
            "AttachStdout": True, "AttachStderr": True, "ExposedPorts": {"2222/tcp": {}}, "HostConfig": host})
        self._do("PUT", f"/containers/{self.name}/archive?path=/session", self._files(),
                 content_type="application/x-tar")
        return self

    def _files(self):
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            def add(name, content=None):
                info = tarfile.TarInfo(name)
                info.mode = 0o755 if content is None else 0o600
                info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
                info.size = len(content or b"")
                tar.addfile(info, io.BytesIO(content or b""))
            add("spec.json", json.dumps(self.spec).encode())
            add("ssh")
            add("ssh/host_key", self.host_key.encode())
        return data.getvalue()

    def start(self):
        self.ctl = Frames(steady.wait_for(self._attach, 20, "the attachment"))
        self._do("POST", f"/containers/{self.name}/start")
        return self

    def _attach(self):
        # Podman answers 409 while it still does something to the container.
        with contextlib.suppress(ConnectionRefusedError):
            return Multiplexed(self.engine.socket,
                               f"/containers/{self.name}/attach?stream=1&stdin=1&stdout=1&stderr=1")

    def ready(self, timeout=60, **secrets):
        self.create()
        self.start()
        try:
            self.ctl.ask("hello", **secrets)
            self.ctl.event("ready", timeout)
        except TimeoutError:
            raise AssertionError(f"not ready: {self.log()}\n{self.inside('ps', '-efww')[1]}\n"
                                 f"{self.inside('cat', '/proc/net/tcp')[1]}") from None
        return self

    def inside(self, *argv, user="0"):
        return self.engine.run_in(self.name, list(argv), user)

    def running(self):
        return self._do("GET", f"/containers/{self.name}/json")["State"]["Running"]

    def host_pid(self):
        """Process id of the container's first process, as this machine sees it."""
        return self._do("GET", f"/containers/{self.name}/json")["State"]["Pid"]

    def log(self):
        return self._do("GET", f"/containers/{self.name}/logs?stdout=0&stderr=1").decode(errors="replace")

    def stop(self):
        self._do("POST", f"/containers/{self.name}/stop?t=5")

    def close(self):
        if self.ctl:
            self.ctl.close()
        self.engine.request("POST", f"/containers/{self.name}/stop?t=0")
        self.engine.request("DELETE", f"/containers/{self.name}?force=1&v=1")
        self.engine.request("DELETE", f"/volumes/{self.name}?force=1")
        self.engine.request("DELETE", f"/networks/{self.name}")


class Worker:
    """Makes commits on a session's branch without our sync: what a hand-written client would send."""

    def __init__(self, place, source):
        self.directory = pathlib.Path(place) / f"worker{random.randrange(1 << 30)}"
        # A copy: git does not serve other people's repositories.
        steady.run("cp", "-r", source, self.directory)

    def git(self, *argv, **keywords):
        return steady.git("-C", self.directory, *argv, **keywords)

    def commit(self, parents, files, name, email, committer=("SteadyState", "noreply@steadystate.invalid"),
               message="sync\n"):
        """A commit on the first parent's tree with files {path: text} put in."""
        index = {"GIT_INDEX_FILE": str(self.directory / "test-index")}
        self.git("read-tree", parents[0], env=index)
        for path, text in files.items():
            blob = steady.run("git", "-C", self.directory, "hash-object", "-w", "--stdin", input=text).stdout.strip()
            self.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=index)
        return self.commit_tree(parents, self.git("write-tree", env=index).strip(), name, email, committer, message)

    def commit_tree(self, parents, tree, name, email, committer=("SteadyState", "noreply@steadystate.invalid"),
                    message="sync\n"):
        who = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": email,
               "GIT_COMMITTER_NAME": committer[0], "GIT_COMMITTER_EMAIL": committer[1]}
        options = [o for p in parents for o in ("-p", p)]
        return self.git("commit-tree", *options, "-m", message, tree, env=who).strip()

    def pack(self, commit, *without):
        """Bytes of a pack with what `commit` has and `without` have not."""
        revisions = "".join(f"{r}\n" for r in (commit, *("^" + w for w in without)))
        done = subprocess.run(["git", "-C", self.directory, "pack-objects", "--revs", "--stdout", "-q"],
                              input=revisions.encode(), stdout=subprocess.PIPE, check=True)
        return done.stdout

    def fetch(self, source):
        self.git("fetch", "-q", source, "+refs/heads/*:refs/heads/*")


def push(frames, parent, commit, pack, **members):
    """The push verb; gives the answer or raises Refused."""
    number = frames.begin("push", parent=parent, commit=commit, **members)
    for at in range(0, len(pack), 60000):
        frames.send(b"D", number, pack[at:at + 60000])
    frames.send(b"E", number)
    return frames.answer(number)[0]
