"""The command line as it is installed: three executables that look like one.

Covered: make install with PREFIX and DESTDIR, finding the other executables from there and through a
link, every command of --help answers its own --help, what the first executable loads, the
manual pages, mistyped commands, options in front of a command. Not covered: what the commands do.
"""

import os
import re

import pytest

import steady

PROGRAM = steady.BUILD / "steadystate"


def commands():
    text = steady.run(PROGRAM, "--help").stdout
    return re.findall(r"^  ([a-z-]+) +\S", text.split("With every command")[0], re.M)


@pytest.fixture(scope="module", name="installed")
def fixture_installed(tmp_path_factory):
    root = tmp_path_factory.mktemp("install")
    steady.run("make", "-C", steady.ROOT, "install", f"DESTDIR={root}", "PREFIX=/opt/steady", timeout=600)
    return root / "opt/steady"


def test_every_command_is_there(installed):
    names = commands()
    assert len(names) > 20 and len(set(names)) == len(names)
    for name in names:
        done = steady.run(installed / "bin/steadystate", name, "--help")
        assert done.stdout.startswith(f"usage: steadystate {name}"), name
        assert "\nExample:\n  steadystate" in done.stdout, name
        assert done.stderr == ""


def test_manual_pages(installed):
    """A page for each program, without a complaint of mandoc's, that has every command and option."""
    pages = sorted((installed / "share/man").glob("man*/*"))
    assert [p.name for p in pages] == ["steadystate.1", "yupdate.1", "steadystate-agent.8", "steadystate-wrapper.8",
                                       "steadystated.8"]
    for page in pages:
        done = steady.run("mandoc", "-T", "lint", "-W", "warning", page, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), page
    text = steady.run("mandoc", "-T", "ascii", "-O", "width=200", pages[0]).stdout
    text = re.sub(".\b", "", text)
    for name in commands():
        usage = steady.run(PROGRAM, name, "--help").stdout.splitlines()[0].removeprefix("usage: ")
        assert usage in text and re.search(rf"^ +(\w[\w ]*: )?{name}$", text, re.M), name
        for line in steady.run(PROGRAM, name, "--help=options").stdout.splitlines():
            option, value, _ = line.split("\t")
            if option.startswith("--") and option != "--help":
                assert f"{option} {value}".strip() in text, (name, option)
    server = steady.run("mandoc", "-T", "ascii", pages[4]).stdout
    assert "STEADYSTATE_SESSION_SUBNETS" in re.sub(".\b", "", server)


def test_found_through_a_link(installed, tmp_path):
    (tmp_path / "steadystate").symlink_to(installed / "bin/steadystate")
    done = steady.run("steadystate", "help", "sync", env={"PATH": str(tmp_path)})
    assert done.stdout.startswith("usage: steadystate sync")


def test_a_part_that_is_missing_is_named(installed, tmp_path):
    alone = tmp_path / "steadystate"
    alone.write_bytes((installed / "bin/steadystate").read_bytes())
    alone.chmod(0o755)
    done = steady.run(alone, "-q", "whoami", check=False)
    assert done.returncode == 1
    assert "steadystate: whoami: start " in done.stderr and "No such file" in done.stderr


def test_the_first_executable_is_small():
    loaded = steady.run("ldd", PROGRAM).stdout
    for name in ("libcurl", "libgit2", "libcrypto", "libsqlite3"):
        assert name not in loaded
    # A third part that is started by hand says what it is.
    for name in ("steadystate-inside", "steadystate-outside"):
        done = steady.run(steady.BUILD / name, "version", check=False)
        assert done.returncode == 2 and "Run 'steadystate' instead" in done.stderr


@pytest.mark.parametrize("typed, meant", [("stauts", "status"), ("syn", "sync"), ("Login", "login"), ("ls", None)])
def test_did_you_mean(typed, meant):
    done = steady.run(PROGRAM, typed, check=False)
    assert done.returncode == 2 and done.stdout == ""
    hint = f"Did you mean '{meant}'?" if meant else "See 'steadystate --help'."
    assert done.stderr == f"steadystate: usage: '{typed}' is not a command. {hint}\n"


def test_options_in_front(tmp_path):
    environment = {**os.environ, "STEADYSTATE_CONFIG_DIR": str(tmp_path)}
    done = steady.run(PROGRAM, "--plain", "-q", "whoami", check=False, env=environment)
    assert done.returncode == 3 and "not logged in" in done.stderr
    assert steady.run(PROGRAM, "-q", "version").stdout == steady.run(PROGRAM, "--version").stdout
    assert steady.run(PROGRAM, check=False).returncode == 2
