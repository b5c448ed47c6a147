"""Fixtures: engines for the run; a forge, a server and people for each test."""

import os
import pathlib
import shutil
import signal
import tempfile

import pytest

import engines
import steady
from screens import Screens


def pytest_configure():
    # What a shell starts in the background ignores Ctrl-C, and so would everything that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def podman():
    with engines.running("podman") as engine:
        engines.session_image(engine)
        yield engine


@pytest.fixture(scope="session")
def docker():
    with engines.running("docker") as engine:
        engines.session_image(engine)
        yield engine


@pytest.fixture(scope="session")
def local_account():
    made = steady.local_user()
    yield steady.LOCAL_USER
    if made:
        steady.run("userdel", steady.LOCAL_USER)


@pytest.fixture
def place():
    """A short, world-traversable directory of the test's own: sockets and StrictModes need both,
    and no directory above it may be writable by everybody."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="ss-", dir="/srv"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def forge(place):
    made = steady.Forge(place / "forge")
    yield made
    made.close()


@pytest.fixture
def addresses():
    block = engines.Addresses()
    yield block
    block.close()


@pytest.fixture
def server_of(request, place, forge, addresses):
    """server_of(kind, **environment): a started server for "local", "podman" or "docker"."""
    made = []

    def make(kind, start=True, **environment):
        if kind == "local":
            request.getfixturevalue("local_account")
            server = steady.Server(place / f"server{len(made)}", "local", None, addresses, forge, **environment)
        else:
            engine = request.getfixturevalue(kind)
            server = steady.Server(place / f"server{len(made)}", "container", engine, addresses, forge,
                                   **environment)
        made.append(server)
        return server.start() if start else server

    yield make
    for server in made:
        server.close()


@pytest.fixture
def screens(place):
    """screens.open(argv, ...): a person's terminal with a program in it."""
    made = Screens(place)
    yield made
    made.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """The server's log stands below a failed test."""
    outcome = yield
    report = outcome.get_result()
    place_used = item.funcargs.get("place") if hasattr(item, "funcargs") else None
    if report.failed and place_used and place_used.exists() and not os.environ.get("STEADYSTATE_TEST_QUIET"):
        for log in sorted(place_used.glob("server*/log")):
            report.sections.append((str(log), log.read_text(errors="replace")[-8000:]))
