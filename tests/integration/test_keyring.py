"""Where the command line keeps a login: the Secret Service keyring of a real gnome-keyring-daemon, or a file.

Covers: the refresh token is in the keyring and in no file, commands find it there, a locked or absent
keyring falls back to a file with one warning, many commands at once refresh once, logout revokes.
Not covered: a keyring daemon that hangs (the time limit is cli/keyring.c's).
"""

import concurrent.futures
import json
import pathlib
import re
import shutil
import subprocess

import pytest

import steady

BUS = """
printf '%s\\n' "$DBUS_SESSION_BUS_ADDRESS"
if [ "$1" = unlock ]; then
    printf '\\n' | gnome-keyring-daemon --unlock --components=secrets >/dev/null || exit 1
fi
echo ready
exec cat
"""


@pytest.fixture
def server(server_of):
    return server_of("local", JWT_TTL_SECS="900")


class Desktop:
    """A D-Bus session with a keyring; its environment."""

    def __init__(self, directory, unlock=True):
        self.directory = directory
        run = directory / "run"
        run.mkdir(parents=True, mode=0o700)
        self.environment = {"HOME": str(directory), "XDG_RUNTIME_DIR": str(run)}
        self.process = subprocess.Popen(
            ["dbus-run-session", "--", "sh", "-c", BUS, "sh", "unlock" if unlock else "locked"],
            env={"PATH": "/usr/bin:/bin", **self.environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, start_new_session=True)
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = self.process.stdout.readline().strip()
        assert self.process.stdout.readline() == "ready\n"

    def close(self):
        # the bus ends with its script, and the keyring with the bus
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


@pytest.fixture
def desktop(place):
    if not shutil.which("gnome-keyring-daemon") or not shutil.which("dbus-run-session"):
        pytest.skip("no gnome-keyring")
    made = Desktop(place / "desktop")
    yield made
    made.close()


def somebody(server, place, environment):
    """A person of the server whose commands run on that desktop; not logged in."""
    person = steady.Person(server, place / "anna", "anna")
    with open(server.users_file, "a", encoding="ascii") as users:
        users.write(f"anna {person.public_key}\n")
    if "DBUS_SESSION_BUS_ADDRESS" in environment:
        del person.environment["STEADYSTATE_NO_KEYRING"]
    person.environment.update(environment)
    return person


def log_in(person):
    return person.cli("login", "--provider", "sshkey", "--server", person.server.url, "-i", person.key, "--login", "anna")


def config(person):
    return pathlib.Path(person.environment["STEADYSTATE_CONFIG_DIR"])


def let_jwt_end(person):
    file = config(person) / "session.json"
    login = json.loads(file.read_text())
    login["jwt_exp"] = 1
    file.write_text(json.dumps(login))


def refreshes(server):
    return len(re.findall(r"path=/auth/refresh ", server.log()))


def test_in_the_keyring_and_nowhere_else(server, place, desktop):
    anna = somebody(server, place, desktop.environment)
    assert "keyring" not in log_in(anna).stderr
    assert sorted(f.name for f in config(anna).rglob("*") if f.is_file()) == ["session.json"]
    assert (config(anna) / "session.json").stat().st_mode & 0o777 == 0o600
    assert set(json.loads((config(anna) / "session.json").read_text())) == {"server", "login", "provider", "jwt", "jwt_exp"}
    # it is there: a refresh needs it, and without the keyring there is none
    let_jwt_end(anna)
    assert json.loads(anna.cli("list", "--json").stdout)["sessions"] == []
    assert refreshes(server) == 1
    assert anna.cli("refresh", env={"STEADYSTATE_NO_KEYRING": "1"}, check=False).returncode == 3
    anna.cli("logout")
    assert log_in(anna).returncode == 0 and anna.cli("refresh").returncode == 0
    kept = (config(anna) / "session.json").read_text()
    anna.cli("logout")
    (config(anna) / "session.json").write_text(kept)
    done = anna.cli("refresh", check=False)
    assert done.returncode == 3, done


def test_falls_back_to_a_file(server, place):
    """No desktop: one warning, a file that only its owner reads, and a logout that revokes it."""
    anna = somebody(server, place, {})
    warned = log_in(anna).stderr
    assert warned.count("kept in a file") == 1
    file = config(anna) / "refresh_token"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "file" not in anna.cli("refresh").stderr
    token = file.read_text().strip()
    anna.cli("logout")
    assert not file.exists()
    assert server.request("POST", "/auth/refresh", {"refresh_token": token})[0] == 401


def test_many_commands_refresh_once(server, place):
    anna = somebody(server, place, {})
    log_in(anna)
    let_jwt_end(anna)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: anna.cli("list", "--json", check=False), range(8)))
    assert all(d.returncode == 0 for d in done), [d.stderr for d in done]
    assert refreshes(server) == 1


def test_a_file_that_others_can_read_is_refused(server, place):
    anna = somebody(server, place, {})
    log_in(anna)
    (config(anna) / "refresh_token").chmod(0o644)
    done = anna.cli("refresh", check=False)
    assert done.returncode != 0 and "refresh_token" in done.stderr


def test_several_servers(server, server_of, place):
    """Each has a login of its own; the last one is where commands go."""
    other = server_of("local")
    anna = somebody(server, place, {})
    log_in(anna)
    with open(other.users_file, "a", encoding="ascii") as users:
        users.write(f"anna {anna.public_key}\n")
    anna.cli("login", "--provider", "sshkey", "--server", other.url, "-i", anna.key, "--login", "anna")
    assert other.url in anna.cli("whoami").stdout
    anna.cli("logout")
    anna.cli("login", "--provider", "sshkey", "--server", server.url, "-i", anna.key, "--login", "anna")
    assert server.url in anna.cli("whoami").stdout and anna.cli("refresh").returncode == 0
