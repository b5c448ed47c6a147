"""Covers: the engine's service ends in the middle and comes back. Running sessions stay usable, the
server says what is wrong, a new session fails with the reason, and afterwards everything goes on.
Not covered: an engine that is slow or answers nonsense (engine_real.c, test_rest.c)."""

import json

import pytest

import engines
import steady


def health(server):
    status, answer, _ = server.request("GET", "/health")
    return status, json.dumps(answer)


@pytest.mark.parametrize("kind", engines.KINDS)
def test_engine_stops_and_comes_back(kind, place, forge, addresses):
    repository = forge.repository("team/project")
    with engines.running(kind, own=True) as engine:
        server = steady.Server(place / "server", "container", engine, addresses, forge).start()
        try:
            alice = server.person("alice")
            session = alice.up(repository)
            alice.write(session, "kept.txt", "before\n")

            engine.stop_service()
            steady.wait_for(lambda: health(server)[0] == 503, 30, "the server to notice")
            assert "engine" in health(server)[1]
            # The session itself does not need the engine, but dockerd's port on loopback is a process of
            # its own that ends with it.
            if kind == "podman":
                assert alice.read(session, "kept.txt") == "before\n"
                assert alice.sync(session).returncode == 0
            failed = alice.cli("up", "--no-join", repository, check=False)
            assert failed.returncode in (1, 6), failed
            assert engine.socket in failed.stderr or "engine" in failed.stderr, failed.stderr

            engine.start_service()
            steady.wait_for(lambda: health(server)[0] == 200, 60, "the server to find the engine again")
            steady.wait_for(lambda: alice.ssh(session, "true", check=False).returncode == 0, 30, "the session's port")
            assert alice.read(session, "kept.txt") == "before\n"
            second = alice.up(repository)
            assert alice.ssh(second, "true").returncode == 0
            for one in (session, second):
                alice.cli("down", one.id)
            steady.wait_for(lambda: server.sessions_left() == {}, 60, "everything to be gone")
        finally:
            server.close()
