"""What the GPU benchmarks decide without a GPU: arrivals, underruns, kernel time, scripts, the search for streams."""

import random
import sys
from itertools import pairwise

import pytest

pytest.importorskip("torch")

from benchmarks.gpu.arrivals import poisson_s
from benchmarks.gpu.device import union_length
from benchmarks.gpu.playback import underruns
from benchmarks.gpu.scripting import Director, Script
from benchmarks.gpu.served import MAX_CLIENTS, STREAMS_PER_CLIENT, parts
from benchmarks.gpu.served_rows import most


def test_arrivals_repeat_with_their_seed_and_have_the_rate_and_spread_of_a_poisson_process() -> (
    None
):
    times_s = poisson_s(40.0, 100.0, seed=3)
    assert times_s == poisson_s(40.0, 100.0, seed=3) != poisson_s(40.0, 100.0, seed=4)
    assert times_s == sorted(times_s)
    assert times_s[-1] < 100.0
    assert len(times_s) == pytest.approx(4000, rel=0.06)
    gaps = [b - a for a, b in pairwise(times_s)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation == pytest.approx(mean, rel=0.1)


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], 0),
        ([(5.0, 0.1)], 0),
        ([(0.0, 0.1), (0.1, 0.1), (0.15, 1.0)], 0),
        ([(0.0, 0.1), (0.2, 1.0), (1.1, 0.1)], 1),  # the listener waits once and plays on
        ([(0.0, 0.1), (0.2, 0.1), (0.4, 0.1)], 2),
    ],
)
def test_a_piece_that_comes_after_all_was_played_is_an_underrun(
    pieces: list[tuple[float, float]], expected: int
) -> None:
    assert underruns(pieces) == expected


def test_kernels_that_overlap_count_once() -> None:
    assert union_length([(5.0, 7.0), (0.0, 2.0), (1.0, 3.0), (1.5, 1.6)]) == 5.0
    assert union_length([]) == 0.0


@pytest.mark.parametrize(("share", "held"), [(0.0, 0), (0.5, 4), (0.9, 7), (1.0, 8)])
def test_a_scripted_share_of_a_hypothesis_holds(share: float, held: int) -> None:
    proposed, chosen = list(range(100, 108)), list(range(9))
    decided = Director(Script(prefix=share)).decide(proposed, chosen)
    assert len(decided) == len(chosen)
    assert list(decided[:held]) == proposed[:held]
    assert held == len(proposed) or decided[held] != proposed[held]


def test_a_token_that_is_to_be_wrong_is_wrong_even_where_the_model_agrees() -> None:
    assert Director(Script(prefix=0.0)).decide([7, 8], [7, 8, 9])[0] != 7
    assert Director(Script()).decide([7, 8], [7, 8, 9]) == [7, 8, 9]


def test_scripted_tokens_hold_at_their_rate() -> None:
    draws = random.Random(1)
    held = [Script(per_token=0.8).held(4, draws) or 0 for _ in range(4000)]
    assert sum(held) / len(held) == pytest.approx(0.8 + 0.8**2 + 0.8**3 + 0.8**4, rel=0.03)


def test_the_search_finds_the_most_streams_that_hold() -> None:
    tried: list[int] = []

    def holds(streams: int) -> bool:
        tried.append(streams)
        return streams <= 100

    assert 90 <= most(holds, [16, 32, 64, 128, 256]) <= 100
    assert 256 not in tried
    assert most(lambda _: True, [1, 2]) == 2
    assert most(lambda _: False, [1, 2]) == 0


def test_a_job_is_shared_out_whole_and_no_part_has_another_ones_seed() -> None:
    job = {"what": "recognize", "seed": 5, "streams": 3 * STREAMS_PER_CLIENT + 1, "requests": 1000}
    cut = parts(job)
    assert len(cut) == MAX_CLIENTS
    assert sum(part["streams"] for part in cut) == job["streams"]
    assert sum(part["requests"] for part in cut) == 1000
    assert len({part["seed"] for part in cut}) == MAX_CLIENTS


def test_without_a_gpu_it_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    from benchmarks.gpu.__main__ import main

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    monkeypatch.setattr(sys, "argv", ["benchmarks.gpu"])
    assert main() == 1
    said = capsys.readouterr().err
    assert said.startswith("no CUDA GPU here")
    assert said.count("\n") == 1
