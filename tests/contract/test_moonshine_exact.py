"""A FINAL's decoder scores a token alike in whatever company, so a draft changes what it costs and nothing else."""

import random
from collections.abc import Sequence

import numpy as np
import pytest

from speech_service.config.tree import ModelConfig
from speech_service.domain.audio import Samples
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import RecognizeKind
from speech_service.engines.moonshine.network import MoonshineDecoder, MoonshineNetwork
from speech_service.engines.registry import build_engine
from speech_service.protocols import Engine

from .moonshine import load_network
from .test_recognizers import clip, done, work

SECOND = 16_000


@pytest.fixture(scope="module")
def network() -> MoonshineNetwork:
    network = load_network()
    if not network.verifies_exactly:
        pytest.skip(
            "this processor's kernels round one row and several differently: drafts are not used"
        )
    return network


@pytest.fixture(scope="module")
def engine() -> Engine:
    return build_engine(ModelConfig(kind="recognizer/moonshine"))


def in_groups(decoder: MoonshineDecoder, tokens: Sequence[int], sizes: Sequence[int]) -> Samples:
    """Scores of tokens in passes of the given sizes, again and again."""
    decoder.truncate(0)
    parts: list[Samples] = []
    while decoder.length < len(tokens):
        size = sizes[len(parts) % len(sizes)]
        parts.append(decoder.logits(tokens[decoder.length : decoder.length + size]))
    return np.concatenate(parts)


@pytest.mark.parametrize(
    ("samples", "count"),
    [
        (clip("beckett")[: 9 * SECOND], 40),
        (clip("two_cities")[: 3 * SECOND], 15),
        (clip("two_cities")[SECOND : 31 * SECOND], 70),
        (np.random.default_rng(3).normal(0, 0.2, SECOND // 2).astype(np.float32), 8),
        (np.zeros(2 * SECOND, np.float32), 100),
    ],
    ids=["9 s", "3 s", "30 s", "noise", "silence"],
)
def test_a_token_scores_alike_alone_and_in_company(
    network: MoonshineNetwork, samples: Samples, count: int
) -> None:
    decoder = network.encode(samples)
    tokens = random.Random(count).choices(network.vocabulary.tolist(), k=count)
    alone = in_groups(decoder, tokens, [1])
    for sizes in ([2], [3, 1], [5, 2, 13], [count - 1, 1], [count]):
        np.testing.assert_array_equal(
            in_groups(decoder, tokens, sizes), alone, f"passes of {sizes}"
        )


def test_tokens_that_are_taken_back_leave_nothing(network: MoonshineNetwork) -> None:
    decoder = network.encode(clip("beckett")[: 3 * SECOND])
    expected = in_groups(decoder, [1, 50, 700], [1])[2]
    decoder.truncate(1)
    decoder.run([50, 900, 33, 44])
    decoder.truncate(2)
    np.testing.assert_array_equal(decoder.logits([700])[0], expected)


def hear(engine: Engine, samples: Samples, draft: Sequence[int]) -> tuple[Hypothesis, int]:
    """A FINAL, and its decoder passes."""
    event = done(engine, work(samples, kind=RecognizeKind.FINAL, draft=tuple(draft)))
    return event.hypothesis, event.timing.decode_steps


@pytest.mark.parametrize("name", ["beckett", "two_cities"])
def test_a_draft_changes_no_final(engine: Engine, network: MoonshineNetwork, name: str) -> None:
    dice = random.Random(7)
    samples = clip(name)[: 9 * SECOND]
    plain, passes = hear(engine, samples, ())
    tokens = plain.tokens
    spoilt = [
        dice.choice(network.vocabulary.tolist()) if dice.random() < 0.2 else token
        for token in tokens
    ]
    missing = [token for token in tokens if dice.random() > 0.2]
    for draft in (
        tokens,
        tokens[:-3],
        tokens[3:],
        spoilt,
        missing,
        [*tokens, *tokens],
        [2],
        [0] * 90,
    ):
        assert hear(engine, samples, draft)[0] == plain
    assert hear(engine, samples, tokens)[1] == 1, "a draft that holds costs one pass"
    assert passes == len(tokens) + 1


def test_where_rows_do_not_round_alike_finals_take_no_draft(
    monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    monkeypatch.setattr(MoonshineNetwork, "_passes_agree", lambda self: False)
    careful = build_engine(ModelConfig(kind="recognizer/moonshine"))
    samples = clip("beckett")[: 5 * SECOND]
    plain, passes = hear(careful, samples, ())
    assert plain == hear(engine, samples, ())[0]
    assert hear(careful, samples, plain.tokens) == (plain, passes)
