"""Covers: the helper that starts engines for the other tests (tests/integration/engines.py) and
scripts/dev-engine: an engine of one's own answers, survives a stop and start, and leaves nothing.
Not covered: what SteadyState does with an engine."""

import os

import pytest

import engines


@pytest.mark.parametrize("kind", engines.KINDS)
def test_an_engine_of_ones_own_comes_back_and_leaves_nothing(kind):
    with engines.running(kind, own=True) as engine:
        assert engine.request("GET", "/_ping")[0] == 200
        status, made = engine.request("POST", "/volumes/create", {"Name": "kept", "Labels": {"probe": "1"}})
        assert status == 201, made
        engine.stop_service()
        with pytest.raises(OSError):
            engine.request("GET", "/_ping")
        engine.start_service()
        assert engine.labelled("volumes", "probe=1") == ["kept"]
        assert engine.left_of("probe") == {"volumes": ["kept"]}
        directory = engine.directory
    assert not os.path.exists(directory)


def test_address_blocks_do_not_overlap():
    with engines.Addresses() as one, engines.Addresses() as two:
        assert one.subnets != two.subnets
        assert one.ports != two.ports
