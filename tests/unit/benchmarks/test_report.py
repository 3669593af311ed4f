"""Search results and the Markdown table."""

from benchmarks.concurrency import Load, most_held, playlists
from benchmarks.corpus import BYTES_PER_S, Clip
from benchmarks.report import table
from benchmarks.stats import Figure


def test_most_held_stops_at_the_first_step_that_failed() -> None:
    good, bad = [100.0] * 20, [100.0] * 18 + [900.0] * 2
    loads = [Load(10, good), Load(20, good), Load(30, bad), Load(40, good)]
    assert most_held(loads) == 20
    assert most_held([Load(10, bad)]) == 0
    assert most_held([Load(10, good, dropped=["one"])]) == 0


def test_playlists_fill_the_time_and_start_apart() -> None:
    clips = [Clip(str(i), "g", "", bytes(BYTES_PER_S * 4)) for i in range(50)]
    lists = playlists(clips, 40, 10.0)
    assert len(lists) == 40
    assert all(len(playlist) == 3 for playlist in lists)
    assert len({playlist[0] for playlist in lists}) == 40


def test_the_table_marks_what_may_not_be_quoted() -> None:
    document = {
        "name": "latency",
        "quick": True,
        "date": "2026-11-20T00:00:00+00:00",
        "command": "python -m benchmarks latency",
        "git": {"commit": "0123456789abcdef", "dirty": True},
        "machine": {"cpu": "a cpu", "cores": 2, "memory_gb": 8, "python": "3.11.0"},
        "noise": {"noisy": True, "others_cpu_share": 0.5},
        "figures": [Figure("p95", "ms", [3.0, 1.0], 2.0).row(), Figure("n", "", [5.0]).row()],
    }
    text = table([document])
    assert "Quick run: not for quoting" in text
    assert "Noisy: not for quoting" in text
    assert "| p95 | 2 | 1 to 3 | 2 | ms | ≤ 2 | met |" in text
    assert "| n | 5 |  | 1 |  |  |  |" in text
