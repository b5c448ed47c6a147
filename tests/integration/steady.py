"""The programs as their users run them: a server, a forge, people with keys.

Everything lies below one directory per test, on addresses of its own (engines.Addresses), and is
ended by close(). Nothing here waits by sleeping longer than it takes: wait_for polls a condition.
"""

import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import engines

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("STEADYSTATE_BUILD", ROOT / "build"))
# Of this run only: test runs beside this one have their own.
LOCAL_USER = f"steady{os.getpid()}"


def wait_for(condition, timeout=30, what="the condition"):
    """Calls condition until it gives something true; that is returned."""
    deadline = time.monotonic() + timeout
    pause = 0.005
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"waited {timeout} s for {what}"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


def run(*argv, check=True, **keywords):
    keywords.setdefault("stdout", subprocess.PIPE)
    keywords.setdefault("stderr", subprocess.PIPE)
    keywords.setdefault("timeout", 120)
    if "input" not in keywords:
        keywords.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([str(a) for a in argv], check=False, text=True, errors="surrogateescape", **keywords)
    assert not check or done.returncode == 0, \
        f"{argv} gave {done.returncode}\nstdout: {done.stdout}\nstderr: {done.stderr}"
    return done


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def git(*argv, cwd=None, check=True, env=None):
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1",
                   "GIT_AUTHOR_NAME": "Test", "GIT_AUTHOR_EMAIL": "test@example.org",
                   "GIT_COMMITTER_NAME": "Test", "GIT_COMMITTER_EMAIL": "test@example.org",
                   "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
                   **(env or {})}
    return run("git", *argv, cwd=cwd, check=check, env=environment).stdout


class Forge:
    """Bare repositories behind HTTP on a host of their own (a network namespace), so that a session
    reaches them as it reaches a forge. `url("owner/name")` is what people type."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        slot = os.getpid() % 16000
        third, fourth = divmod(slot * 4, 256)
        self.name = f"ssf{os.getpid()}"
        self.gateway = f"10.199.{third % 256}.{fourth + 1}"
        self.address = f"10.199.{third % 256}.{fourth + 2}"
        self.port = 8000
        self.process = None
        run("ip", "netns", "add", self.name)
        try:
            run("ip", "link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.name)
            run("ip", "addr", "add", f"{self.gateway}/30", "dev", self.name)
            run("ip", "link", "set", self.name, "up")
            for command in (f"addr add {self.address}/30 dev eth0", "link set eth0 up", "link set lo up",
                            f"route add default via {self.gateway}"):
                run("ip", "-n", self.name, *command.split())
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        self.process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.name}", "/usr/bin/python3", ROOT / "tests/forge/forge.py",
             self.directory, self.address, str(self.port)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def close(self):
        self.stop()
        run("ip", "link", "del", self.name, check=False)
        run("ip", "netns", "del", self.name, check=False)

    @property
    def host(self):
        return self.address

    def url(self, name):
        return f"http://{self.address}:{self.port}/{name}.git"

    def path(self, name):
        return self.directory / f"{name}.git"

    def configure(self, **members):
        file = self.directory / "forge.json"
        now = self.state()
        now.update(members)
        temp = self.directory / "forge.json.new"
        temp.write_text(json.dumps(now))
        temp.rename(file)

    def environment(self, dialect, **app):
        """What a server needs to log people in here by "github" or "gitlab"."""
        apps = self.state().get("apps", {})
        apps[dialect] = {"id": f"{dialect}-app", "interval": 1, **app}
        self.configure(apps=apps)
        made = {"GITHUB_CLIENT_ID": "github-app", "GITHUB_URL": self.base, "GITHUB_API_URL": self.base + "/api/v3"} \
            if dialect == "github" else {"GITLAB_CLIENT_ID": "gitlab-app", "GITLAB_URL": self.base}
        if app.get("secret"):
            made[f"{dialect.upper()}_CLIENT_SECRET"] = app["secret"]
        return made

    @property
    def base(self):
        return f"http://{self.address}:{self.port}"

    def add_person(self, login, number, keys=()):
        self.configure(people={**self.state().get("people", {}), login: {"id": number, "keys": list(keys)}})

    def change(self, member, key, value):
        """Sets one entry of a member of the state; None takes it out."""
        entries = self.state().get(member, {})
        entries[key] = value
        self.configure(**{member: {k: v for k, v in entries.items() if v is not None}})

    def state(self):
        file = self.directory / "forge.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def requests(self):
        file = self.directory / "requests.log"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def repository(self, name, files=None, branch="main", gitlinks=None):
        """A bare repository with one commit of these files {path: text or bytes} and gitlinks {path: commit}."""
        bare = self.path(name)
        bare.parent.mkdir(parents=True, exist_ok=True)
        git("init", "-q", "--bare", "-b", branch, bare)
        work = self.directory / "work"
        git("init", "-q", "-b", branch, work)
        for path, content in (files or {"README.md": "# project\n"}).items():
            target = work / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
        git("add", "-A", cwd=work)
        for path, commit in (gitlinks or {}).items():
            git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}", cwd=work)
        git("commit", "-q", "-m", "first", "--allow-empty", cwd=work)
        git("push", "-q", bare, f"HEAD:{branch}", cwd=work)
        shutil.rmtree(work)
        return self.url(name)

    def commit(self, name, branch="main"):
        return git("rev-parse", branch, cwd=self.path(name)).strip()

    def show(self, name, revision, path):
        return git("show", f"{revision}:{path}", cwd=self.path(name))

    def branches(self, name):
        return git("for-each-ref", "--format=%(refname:short)", "refs/heads", cwd=self.path(name)).split()


class Session:
    """SessionInfo and the ways in."""

    def __init__(self, info):
        self.info = info
        self.id = info["id"]
        self.link = info["magic_link"]
        match = re.fullmatch(r"ssh://([^@]+)@(.+):(\d+)", info["endpoint"])
        self.user, self.host, self.port = match[1], match[2].strip("[]"), int(match[3])
        self.branch = info["session_branch"]


class Person:
    """Somebody with an SSH key and a configuration directory of their own."""

    def __init__(self, server, directory, login):
        self.server = server
        self.login = login
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.key = self.directory / "id_ed25519"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", login, "-f", self.key)
        self.environment = {
            "PATH": f"{BUILD}:{os.environ['PATH']}", "HOME": str(self.directory), "USER": login,
            "STEADYSTATE_CONFIG_DIR": str(self.directory / "config"), "STEADYSTATE_NO_KEYRING": "1",
            "LANG": "C.UTF-8", **{k: v for k, v in os.environ.items() if k == "CHECK_RUN"},
        }

    @property
    def public_key(self):
        return (self.directory / "id_ed25519.pub").read_text().strip()

    def cli(self, *argv, check=True, **keywords):
        return run(BUILD / "steadystate", *argv, check=check,
                   env={**self.environment, **keywords.pop("env", {})}, **keywords)

    def log_in(self):
        self.cli("login", "--provider", "sshkey", "--server", self.server.url, "-i", self.key,
                 "--login", self.login)
        return self

    def up(self, repository, *options):
        """The running session."""
        done = self.cli("up", "--json", "--no-join", *options, repository)
        return Session(json.loads(done.stdout.splitlines()[-1]))

    def ssh_argv(self, session, *options):
        known = self.directory / f"known_hosts.{session.id}"
        host = session.host if session.port == 22 else f"[{session.host}]:{session.port}"
        known.write_text(f"{host} {session.info['host_public_key']}\n")
        return ["-F", "none", "-i", str(self.key), "-oIdentitiesOnly=yes", "-oStrictHostKeyChecking=yes",
                "-oBatchMode=yes", f"-oUserKnownHostsFile={known}", "-oGlobalKnownHostsFile=/dev/null",
                "-oLogLevel=ERROR", *options]

    def ssh(self, session, command, *options, check=True, **keywords):
        """One command in the session, as a plain ssh user runs it."""
        return run("ssh", *self.ssh_argv(session, *options), "-p", session.port,
                   f"{session.user}@{session.host}", command, check=check, env=self.environment, **keywords)

    def write(self, session, path, content):
        """Writes a file in the own worktree."""
        data = content if isinstance(content, bytes) else content.encode()
        done = subprocess.run(
            ["ssh", *self.ssh_argv(session), "-p", str(session.port), f"{session.user}@{session.host}",
             f"cd \"$USER_WORKSPACE\" && mkdir -p \"$(dirname '{path}')\" && cat > '{path}'"],
            input=data, env=self.environment, check=False, capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr

    def read(self, session, path):
        return self.ssh(session, f"cat \"$USER_WORKSPACE\"/'{path}'").stdout

    def sync(self, session, check=True):
        return self.ssh(session, 'cd "$USER_WORKSPACE" && steadystate sync', check=check)


def local_user():
    """The account of local sessions when the tests run as root: made for the run, with a shell."""
    try:
        pwd.getpwnam(LOCAL_USER)
        return False
    except KeyError:
        run("useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/bash",
            LOCAL_USER)
        return True


class Server:
    """steadystated. provider: "container" (with an engine) or "local"."""

    def __init__(self, directory, provider="local", engine=None, addresses=None, forge=None, **environment):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o755)
        self.state = self.directory / "state"
        self.users_file = self.directory / "users"
        self.users_file.touch()
        self.provider, self.engine = provider, engine
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.people = {}
        self.process = None
        self.runs = 0
        self.argv = [BUILD / "steadystated"]
        self.environment = {
            "PATH": f"{BUILD}:{os.environ['PATH']}",
            "STEADYSTATE_BIND": "127.0.0.1", "STEADYSTATE_PORT": str(self.port),
            "STEADYSTATE_STATE_DIR": str(self.state), "STEADYSTATE_USERS_FILE": str(self.users_file),
            "STEADYSTATE_PROVIDER": provider, "STEADYSTATE_EXTERNAL_HOST": "127.0.0.1",
            "STEADYSTATE_SSH_BIND": "127.0.0.1", "ENABLE_FAKE_AUTH": "1",
            "RATE_LIMIT_TOKEN_PER_MIN": "0", "RATE_LIMIT_AUTH_PER_MIN": "0", "RATE_LIMIT_DEFAULT_PER_MIN": "0",
            "STEADYSTATE_MAX_SESSIONS_PER_USER": "0",
            **{k: v for k, v in os.environ.items() if k == "CHECK_RUN"},
        }
        if addresses:
            self.environment["STEADYSTATE_SSH_PORTS"] = addresses.ports
            self.environment["STEADYSTATE_SESSION_SUBNETS"] = addresses.subnets
        if forge:
            self.environment["STEADYSTATE_ALLOWED_HOSTS"] = forge.host
        if provider == "local":
            self.environment["STEADYSTATE_LOCAL_USER"] = LOCAL_USER
        if engine:
            self.environment["STEADYSTATE_ENGINE"] = engine.url
            self.environment["STEADYSTATE_SESSION_IMAGE"] = engines.session_image(engine)
        self.environment.update(environment)

    def start(self, wait=True):
        self.runs += 1
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(self.argv, env=self.environment, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd="/")
        if wait:
            wait_for(self.is_up, 30, f"the server to answer\n{self.log()}")
        return self

    def is_up(self):
        assert self.process.poll() is None, f"steadystated ended with {self.process.returncode}:\n{self.log()}"
        with contextlib.suppress(OSError):
            return self.request("GET", "/health")[0] == 200
        return False

    def log(self):
        return (self.directory / "log").read_text(errors="replace")

    def stop(self, signo=signal.SIGTERM, timeout=20):
        if self.process:
            self.process.send_signal(signo)
            self.process.wait(timeout)
            self.process = None

    def restart(self, signo=signal.SIGTERM):
        self.stop(signo)
        return self.start()

    def request(self, method, path, body=None, token=None, headers=None, timeout=30):
        """(status, JSON or text, headers) of the REST API."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                status, content, answer_headers = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            status, content, answer_headers = error.code, error.read(), error.headers
        with contextlib.suppress(ValueError):
            return status, json.loads(content), answer_headers
        return status, content.decode(errors="replace"), answer_headers

    def person(self, login):
        """A person with a login of provider sshkey, logged in."""
        if login not in self.people:
            person = Person(self, self.directory / "people" / login, login)
            with open(self.users_file, "a", encoding="ascii") as users:
                users.write(f"{login} {person.public_key}\n")
            self.people[login] = person.log_in()
        return self.people[login]

    def fake_token(self, login):
        """A JWT from the provider for tests."""
        _, flow, _ = self.request("POST", "/auth/device?provider=fake")
        def poll():
            status, answer, _ = self.request("POST", "/auth/poll", {"device_code": flow["device_code"], "login": login})
            assert status == 200, answer
            return answer.get("jwt")
        return wait_for(poll, 10, "the fake login")

    def sessions_left(self):
        """What the engine still holds for sessions of any server."""
        return self.engine.left_of("steadystate.session") if self.engine else {}

    def close(self):
        """Ends every session, then the server, and checks that nothing of it is left."""
        if self.process and self.process.poll() is None:
            with contextlib.suppress(Exception):
                for person in self.people.values():
                    listing = json.loads(person.cli("list", "--json", check=False).stdout or "{}")
                    for info in listing.get("sessions", []):
                        if info["creator"] == person.login and info["state"] in ("Provisioning", "Running"):
                            person.cli("down", info["id"], check=False)
        self.stop()
