"""Real container engines for the tests.

    with engines.running("podman") as engine:      # or "docker"
        image = engines.session_image(engine)      # built once per engine and test run
        ...  STEADYSTATE_ENGINE=engine.url, STEADYSTATE_SESSION_IMAGE=image

STEADYSTATE_TEST_PODMAN and STEADYSTATE_TEST_DOCKER name sockets that are used as they are
(scripts/check sets them, a developer may); without them an engine is started in a directory of its
own and removed afterwards with all that it holds.

Every server on an engine needs subnets and ports of its own: take them from `Addresses`.
"""

import contextlib
import fcntl
import http.client
import json
import os
import pathlib
import socket
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
KINDS = ("podman", "docker")
SESSION_IMAGE = "localhost/steadystate-session:latest"
# An engine without CAP_SYS_RESOURCE starts nothing that names no limits of its own.
ULIMITS = [{"Name": "nofile", "Soft": 1024, "Hard": 4096}, {"Name": "nproc", "Soft": 1024, "Hard": 4096}]


class _Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("engine", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """One engine's socket. `kind` is "podman" or "docker"; `directory` is None when it is not ours,
    so that a test that stops and starts engines can tell."""

    def __init__(self, kind, url, directory=None):
        self.kind = kind
        self.url = url
        self.socket = url.removeprefix("unix://")
        self.directory = directory

    def request(self, method, path, body=None, timeout=60, content_type="application/json"):
        """(status, decoded JSON or bytes). path without the version: "/containers/json"."""
        connection = _Connection(self.socket, timeout)
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, "/v1.41" + path, data, {"Content-Type": content_type} if data else {})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if content and "json" in (answer.getheader("Content-Type") or ""):
            with contextlib.suppress(ValueError):
                return answer.status, json.loads(content)
        return answer.status, content

    def labelled(self, what, label):
        """Names of the containers, networks or volumes that carry `label` ("key" or "key=value")."""
        query = "?all=1&filters=" + _quoted({"label": [label]})
        status, found = self.request("GET", ("/containers/json" if what == "containers" else f"/{what}") + query)
        assert status == 200, (status, found)
        if what == "containers":
            return sorted(item["Names"][0].lstrip("/") for item in found)
        items = found["Volumes"] or [] if what == "volumes" else found
        return sorted(item["Name"] for item in items)

    def left_of(self, label):
        """Everything that carries `label`, for the assertion that nothing is left."""
        return {what: names for what in ("containers", "networks", "volumes")
                if (names := self.labelled(what, label))}

    def run_in(self, container, argv, user="0"):
        """(exit code, stdout + stderr) of a command in a running container."""
        status, made = self.request("POST", f"/containers/{container}/exec", {
            "AttachStdout": True, "AttachStderr": True, "Tty": True, "User": user, "Cmd": argv})
        assert status == 201, (status, made)
        status, output = self.request("POST", f"/exec/{made['Id']}/start", {"Detach": False, "Tty": True})
        assert status in (200, 101), (status, output)
        _, state = self.request("GET", f"/exec/{made['Id']}/json")
        return state["ExitCode"], output.decode(errors="replace")

    def run_once(self, image, argv):
        """(exit code, stdout + stderr) of a container made for one command, without network."""
        status, made = self.request("POST", "/containers/create", {
            "Image": image, "Cmd": argv, "Tty": True,
            "HostConfig": {"NetworkMode": "none", "Ulimits": ULIMITS}})
        assert status == 201, (status, made)
        container = f"/containers/{made['Id']}"
        try:
            status, answer = self.request("POST", container + "/start")
            assert status == 204, (status, answer)
            _, result = self.request("POST", container + "/wait")
            _, output = self.request("GET", container + "/logs?stdout=1&stderr=1")
        finally:
            self.request("DELETE", container + "?force=1&v=1")
        return result["StatusCode"], output.decode(errors="replace").replace("\r\n", "\n")

    def stop_service(self):
        """Ends the service (an engine of our own only); Podman's containers run on."""
        self._script("stop")

    def start_service(self):
        self._script("start")

    def _script(self, command):
        assert self.directory, "this engine was not started by the test"
        subprocess.run([ROOT / "scripts/dev-engine", command, self.kind, self.directory], check=True,
                       stdout=subprocess.DEVNULL)


def _quoted(value):
    from urllib.parse import quote
    return quote(json.dumps(value))


def _purge_orphans(script):
    """Engines of test runs that were killed before they could take theirs away."""
    for directory in pathlib.Path("/var/tmp").glob("sse-*-*"):
        owner = directory.name.split("-")[1]
        if owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
            for kind in KINDS:
                subprocess.run([script, "purge", kind, directory], check=False)


@contextlib.contextmanager
def running(kind, own=False):
    """An engine that answers. `own`: never a shared one, because the test stops or breaks it."""
    assert kind in KINDS, kind
    given = os.environ.get(f"STEADYSTATE_TEST_{kind.upper()}")
    if given and not own:
        yield Engine(kind, given)
        return
    script = ROOT / "scripts/dev-engine"
    _purge_orphans(script)
    # Short, because sockets lie below it; not under TMPDIR, because overlayfs may not lie on overlayfs.
    directory = tempfile.mkdtemp(prefix=f"sse-{os.getpid()}-", dir="/var/tmp")
    try:
        made = subprocess.run([script, "start", kind, directory], check=True, stdout=subprocess.PIPE, text=True)
        yield Engine(kind, made.stdout.strip(), directory)
    finally:
        subprocess.run([script, "purge", kind, directory], check=True)


_built = set()


def session_image(engine, name=SESSION_IMAGE, kind="session", **arguments):
    """Builds the session image from build/, once per engine and test run, and gives its name.
    `arguments`: SSH_USER, BUILD_TOOLS."""
    programs = tuple((ROOT / "build" / program).stat().st_mtime_ns
                     for program in ("steadystate", "steadystate-outside", "steadystate-inside", "steadystate-agent",
                                     "steadystate-wrapper"))
    mark = (engine.url, name, kind, programs, tuple(sorted(arguments.items())))
    if mark in _built and engine.request("GET", f"/images/{name}/json")[0] == 200:
        return name
    environment = {**os.environ, "STEADYSTATE_ENGINE": engine.url, "IMAGE": name, **arguments}
    done = subprocess.run([ROOT / "scripts/image", kind], env=environment, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    _built.add(mark)
    return name


def server_image(engine, builder=None):
    """The image of steadystated itself; built by `builder` and carried over when that is another
    engine, since it compiles everything."""
    builder = builder or engine
    name = session_image(builder, "localhost/steadystate-server:latest", "server")
    if builder is not engine:
        status, archive = builder.request("GET", f"/images/{name}/get", timeout=300)
        assert status == 200, archive
        status, answer = engine.request("POST", "/images/load", archive, 300, "application/x-tar")
        assert status == 200, answer
    return name


class Addresses:
    """A block of subnets (/20: 256 sessions) and of SSH ports that no other test run on this machine
    holds at the same time; freed by close() or by the end of the process."""

    BLOCKS = 64

    def __init__(self):
        # One lock per block for all clones of the machine; the files are the reservation, not data.
        folder = pathlib.Path("/run/lock/steadystate-tests")
        folder.mkdir(mode=0o1777, exist_ok=True)
        for block in range(self.BLOCKS):
            self._file = open(folder / str(block), "w", encoding="ascii")
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self._file.close()
                continue
            self.subnets = f"10.{200 + block // 16}.{block % 16 * 16}.0/20"
            first = 21000 + block * 100
            self.ports = f"{first}-{first + 99}"
            return
        raise RuntimeError("all address blocks are in use")

    def close(self):
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
