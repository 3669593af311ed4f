"""How many servers a Ray fleet keeps, and the file that names them; no Ray needed."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from speech_ray.endpoints import endpoints, publish
from speech_ray.sizing import Load, Scaler, Sizing

from benchmarks.envoy import FOLDER

SIZING = Sizing(least=2, most=5, target_load=0.5, quiet_s=60)
STREAMS = st.lists(st.integers(0, 40), max_size=5)


def loads(*streams: int) -> list[Load]:
    return [Load(open_streams, open_streams / 20) for open_streams in streams]


@pytest.mark.parametrize(
    ("now", "streams", "wanted"),
    [
        (0, (), 2),  # nothing is there yet
        (2, (), 2),  # two start, and say nothing yet
        (2, (0, 0), 2),
        (2, (10, 10), 2),  # as full as they should be
        (2, (11, 10), 3),
        (2, (20, 20), 4),
        (3, (20, 20), 4),  # a third one starts already
        (5, (20, 20, 20, 20, 20), 5),  # no more than most
    ],
)
def test_more_are_wanted_at_once(now: int, streams: tuple[int, ...], wanted: int) -> None:
    assert Scaler(SIZING).wanted(now, loads(*streams), 0.0) == wanted


def test_fewer_are_wanted_after_a_quiet_time_and_one_at_a_time() -> None:
    scaler = Scaler(SIZING)
    quiet = loads(0, 0, 0, 0)
    assert [scaler.wanted(4, quiet, at) for at in (0, 59, 60)] == [4, 4, 3]
    assert [scaler.wanted(3, quiet[:3], at) for at in (61, 119, 120)] == [3, 3, 2]
    assert scaler.wanted(2, quiet[:2], 1_000) == 2


def test_a_busy_moment_begins_the_quiet_time_anew() -> None:
    scaler = Scaler(SIZING)
    scaler.wanted(3, loads(0, 0, 0), 0)
    assert scaler.wanted(3, loads(10, 10, 10), 50) == 3
    assert scaler.wanted(3, loads(0, 0, 0), 100) == 3
    assert scaler.wanted(3, loads(0, 0, 0), 160) == 2


@given(now=st.integers(0, 8), streams=STREAMS, at=st.floats(0, 1e6))
def test_the_bounds_hold(now: int, streams: list[int], at: float) -> None:
    wanted = Scaler(SIZING).wanted(now, loads(*streams), at)
    assert SIZING.least <= wanted <= SIZING.most


@pytest.mark.parametrize(
    ("least", "most", "load"), [(0, 1, 0.7), (3, 2, 0.7), (1, 1, 0), (1, 1, 2)]
)
def test_bounds_that_mean_nothing_are_refused(least: int, most: int, load: float) -> None:
    with pytest.raises(ValueError, match="allowed"):
        Sizing(least, most, load)


def test_the_file_is_what_the_committed_one_is() -> None:
    ours = json.loads(endpoints([("127.0.0.1", 50061), ("127.0.0.1", 50051)]))
    committed = yaml.safe_load((FOLDER / "endpoints.yaml").read_text())
    assert ours == committed


def test_the_file_changes_with_the_servers_and_never_names_none(tmp_path: Path) -> None:
    path = tmp_path / "endpoints.yaml"
    first, second = [("10.0.0.1", 1)], [("10.0.0.1", 1), ("10.0.0.2", 2)]
    assert publish(path, first)
    assert not publish(path, first)
    assert publish(path, second)
    assert not publish(path, [])
    assert path.read_text() == endpoints(second)
    assert [each.name for each in tmp_path.iterdir()] == ["endpoints.yaml"]
