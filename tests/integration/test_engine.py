"""Covers: the engine client (engine_real.c) and the container provider (container_real.c) against real
Podman and dockerd, both built with sanitizers. What each covers stands at its top. The provider runs
an image whose agent is a shell script, so that it can be asked anything from outside."""

import io
import os
import pathlib
import subprocess
import tarfile

import pytest

import engines

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGE = "localhost/steadystate-provider-test:latest"

# Says what it sees at start, then runs the lines of its stdin; `ctl` is an echo.
AGENT = """#!/bin/sh
exec 2>&1
case $1 in
ctl) exec cat ;;
run)
    stat -c '%a %u %g %n' /session/spec.json /session/ssh/host_key
    python3 -m http.server --bind 0.0.0.0 2222 >/dev/null 2>&1 &
    trap 'exit 0' TERM
    echo ready
    while read -r line; do eval "$line"; done
    sleep infinity & wait ;;
esac
"""


@pytest.fixture(scope="session")
def programs():
    names = ["engine_real", "container_real"]
    targets = [f"build/asan/tests/integration/{name}" for name in names]
    subprocess.run(["make", "-s", "-j2", "VARIANT=asan", *targets], cwd=ROOT, check=True)
    return {name: ROOT / target for name, target in zip(names, targets)}


def build_image(engine, base):
    """An image with the script above as its agent, through the engine's own build."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as out:
        for name, text, mode in [
                ("Dockerfile", f"FROM {base}\nCOPY agent /usr/libexec/steadystate/steadystate-agent\n", 0o644),
                ("agent", AGENT, 0o755)]:
            data = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            out.addfile(entry, io.BytesIO(data))
    status, answer = engine.request("POST", f"/build?t={IMAGE}&rm=1&forcerm=1&networkmode=none", tar.getvalue(),
                                    content_type="application/x-tar", timeout=120)
    assert status == 200 and b"errorDetail" not in (answer if isinstance(answer, bytes) else b""), answer
    assert engine.request("GET", f"/images/{IMAGE}/json")[0] == 200, answer


def run(program, engine, **environment):
    done = subprocess.run([program], env={**os.environ, "STEADYSTATE_TEST_ENGINE": engine.url, **environment},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("kind", engines.KINDS)
def test_engine_client(kind, request, programs):
    engine = request.getfixturevalue(kind)
    output = run(programs["engine_real"], engine, STEADYSTATE_TEST_IMAGE=engines.SESSION_IMAGE)
    assert f"engine: {kind} " in output
    assert engine.left_of("steadystate.server=test") == {}


GUARD = [("iptables", "filter", "STEADYSTATE-INPUT", "INPUT"), ("ip6tables", "filter", "STEADYSTATE-INPUT", "INPUT"),
         ("iptables", "mangle", "STEADYSTATE-PRE", "PREROUTING")]


def guard_rules(tool, table):
    listed = subprocess.run([tool, "-t", table, "-S"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [line for line in listed.splitlines() if "STEADYSTATE" in line]


def remove_guard():
    for tool, table, chain, source in GUARD:
        for words in (["-D", source, "-i", "ssn+", "-j", chain], ["-F", chain], ["-X", chain]):
            subprocess.run([tool, "-w", "5", "-t", table, *words], stderr=subprocess.DEVNULL, check=False)


@pytest.mark.parametrize("kind", engines.KINDS)
def test_container_provider(kind, request, programs, place, addresses):
    engine = request.getfixturevalue(kind)
    build_image(engine, engines.SESSION_IMAGE)
    was_guarded = bool(guard_rules("iptables", "mangle"))
    try:
        run(programs["container_real"], engine, STEADYSTATE_TEST_IMAGE=IMAGE,
            STEADYSTATE_TEST_SUBNET=addresses.subnets.replace("/20", "/28"),
            STEADYSTATE_TEST_PORT=addresses.ports.split("-")[0], STEADYSTATE_TEST_DIR=str(place),
            STEADYSTATE_TEST_GUARD="1")
        # twice installed, once there
        assert guard_rules("iptables", "mangle") == [
            "-N STEADYSTATE-PRE", "-A PREROUTING -i ssn+ -j STEADYSTATE-PRE", "-A STEADYSTATE-PRE -d 169.254.0.0/16 -j DROP"]
        assert engine.left_of("steadystate.server=containerreal") == {}
    finally:
        if not was_guarded:
            remove_guard()
        engine.request("DELETE", f"/images/{IMAGE}")
