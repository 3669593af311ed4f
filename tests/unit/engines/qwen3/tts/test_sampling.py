"""How codes are drawn: the rules of transformers, noise from a hash, and no influence of the batch."""

import pytest
import torch
from torch import Tensor

from speech_service.engines.qwen3.tts.sampling import (
    Rule,
    Rules,
    choose,
    noise_keys,
    penalised,
    seed_key,
    uniform,
)
from speech_service.engines.qwen3.tts.sampling_rules import Sampling

CODES = 300


def logits(rows: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, CODES, generator=torch.Generator().manual_seed(seed)) * 3


def shares(count: int, seed: int = 0) -> Tensor:
    frames = torch.arange(count)
    return uniform(noise_keys(torch.full((count,), seed_key(seed)), frames, 1))


def kept(row: Tensor, rule: Rule) -> set[int]:
    """What transformers' warpers leave in: top-k, then the fewest likeliest codes of enough mass."""
    scores = row / rule.temperature
    if rule.top_k:
        scores = scores.masked_fill(scores < scores.topk(rule.top_k).values[-1], -torch.inf)
    ordered, codes = scores.sort(descending=False)
    low_mass = ordered.softmax(0).cumsum(0) <= 1 - rule.top_p
    low_mass[-1] = False
    return {int(c) for c, out in zip(codes, low_mass, strict=True) if not out} & {
        int(c) for c in scores.isfinite().nonzero()
    }


@pytest.mark.parametrize(
    "rule",
    [
        Rule(1.0, 0, 1.0),
        Rule(0.9, 50, 1.0),
        Rule(1.3, 0, 0.8),
        Rule(0.7, 20, 0.6),
        Rule(2.0, 100, 0.95),
        Rule(1.0, 1, 1.0),
        Rule(1.0, 0, 1e-6),
    ],
    ids=str,
)
def test_draws_what_the_rules_leave_in_as_often_as_is_likely(rule: Rule) -> None:
    draws = 4000
    row = logits(1)[0]
    chosen = choose(row.expand(draws, -1), Rules.of([rule] * draws), shares(draws))
    counts = torch.bincount(chosen, minlength=CODES).float()
    allowed = kept(row, rule)
    assert {int(c) for c in counts.nonzero()} <= allowed
    scores = torch.full((CODES,), -torch.inf)
    index = torch.tensor(sorted(allowed))
    scores[index] = row[index] / rule.temperature
    expected = scores.softmax(0)
    spread = (draws * expected).sqrt()
    assert bool(((counts - draws * expected).abs() <= 5 * spread + 5).all())


def test_temperature_0_takes_the_likeliest() -> None:
    rows = logits(20)
    rule = Rule(0.0, 50, 0.9)
    assert torch.equal(choose(rows, Rules.of([rule] * 20), shares(20)), rows.argmax(1))


def test_no_row_knows_its_company() -> None:
    """Rows with other rules change how the batch is computed, but never what is drawn."""
    rules = [
        Rule(0.9, 50, 1.0),
        Rule(0.0, 0, 1.0),
        Rule(1.1, 0, 0.9),
        Rule(0.8, 200, 1.0),
        Rule(1.0, 5, 0.5),
        Rule(1.0, 0, 1.0),
    ]
    for seed in range(20):
        rows, noise = logits(len(rules), seed), shares(len(rules), seed)
        together = choose(rows, Rules.of(rules), noise)
        alone = [
            choose(rows[i : i + 1], Rules.of([rule]), noise[i : i + 1])
            for i, rule in enumerate(rules)
        ]
        assert together.tolist() == torch.cat(alone).tolist()


def test_what_is_ruled_out_is_never_drawn() -> None:
    rows = logits(500).masked_fill(torch.arange(CODES) >= 3, -torch.inf)
    chosen = choose(rows, Rules.of([Rule(5.0, 50, 1.0)] * 500), shares(500))
    assert set(chosen.tolist()) == {0, 1, 2}


def test_a_row_without_numbers_chooses_a_code_that_exists() -> None:
    rows = logits(3)
    rows[1] = torch.nan
    chosen = choose(rows, Rules.of([Rule(1.0, 50, 0.9)] * 3), shares(3)).tolist()
    assert all(0 <= code < CODES for code in chosen)
    others = choose(logits(3), Rules.of([Rule(1.0, 50, 0.9)] * 3), shares(3)).tolist()
    assert chosen[::2] == others[::2]


def test_the_ends_of_the_noise_take_the_first_and_the_last_code_that_is_left() -> None:
    rows = torch.zeros(2, CODES).masked_fill(torch.arange(CODES) == CODES - 1, -torch.inf)
    ends = uniform(torch.tensor([[0], [2**32 - 1]]))
    assert 0.0 < float(ends[0]) < float(ends[1]) < 1.0
    assert choose(rows, Rules.of([Rule(1.0, 0, 1.0)] * 2), ends).tolist() == [0, CODES - 2]


def test_noise_is_uniform_and_differs_everywhere() -> None:
    seeds = torch.tensor([seed_key(seed) for seed in range(200)])
    noise = torch.cat([uniform(noise_keys(seeds, torch.full((200,), f), 16)) for f in range(32)], 1)
    counts = noise.histc(20, 0.0, 1.0)
    assert float((counts - counts.mean()).abs().max()) < 5 * float(counts.mean().sqrt())
    by_row, by_column = torch.corrcoef(noise), torch.corrcoef(noise.T)
    for correlations in (by_row, by_column):
        off = correlations - torch.eye(len(correlations))
        assert float(off.abs().max()) < 0.4
        assert float(off.mean().abs()) < 0.01


def test_noise_depends_on_seed_frame_and_codebook_and_on_nothing_else() -> None:
    seeds = torch.tensor([seed_key(seed) for seed in (0, 1, 2**63, 2**64 - 1)])
    drawn = torch.cat([noise_keys(seeds, torch.full((4,), frame), 16) for frame in range(50)])
    assert len(set(drawn.flatten().tolist())) == drawn.numel()
    again = noise_keys(seeds[2:3], torch.tensor([7]), 16)
    assert torch.equal(again[0], drawn[7 * 4 + 2])
    assert [seed_key(0), seed_key(1)] == [seed_key(0), seed_key(1)]


def test_the_noise_of_a_seed_never_changes() -> None:
    """Else the same request would sound different after an update."""
    drawn = noise_keys(torch.tensor([seed_key(42)]), torch.tensor([3]), 4)[0].tolist()
    assert drawn == [3247047955, 999910789, 2442508463, 3958412803]
    assert uniform(torch.tensor(drawn)).tolist() == pytest.approx(
        [0.75601, 0.23281, 0.56869, 0.92164], abs=1e-5
    )


def test_penalty() -> None:
    rows = torch.tensor([[2.0, -2.0, 2.0, -2.0]])
    seen = torch.tensor([[True, True, False, False]])
    expected = [[2.0 / 1.5, -3.0, 2.0, -2.0]]
    assert penalised(rows, seen, torch.tensor([[1.5]])).tolist() == torch.tensor(expected).tolist()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("predictor_temperature", 5.1),
        ("top_k", -1),
        ("predictor_top_k", -1),
        ("top_p", 0.0),
        ("predictor_top_p", 1.1),
        ("repetition_penalty", 0.0),
    ],
)
def test_rules_out_of_range_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        Sampling(**{name: value})  # pyright: ignore[reportArgumentType] - one of the fields
