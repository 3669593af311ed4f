"""The aligner's network: the official package's classes, whatever the company, and failures that stay alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from speech_service.engines.qwen3.aligner import passages as passages_module
from speech_service.engines.qwen3.aligner.network import (
    AlignerNetwork,
    CausalPlan,
    Passage,
    rows_plan,
)
from speech_service.engines.qwen3.aligner.passages import read
from speech_service.engines.qwen3.aligner.pieces import AlignerPiece
from speech_service.engines.qwen3.aligner.repair import monotone
from speech_service.engines.qwen3.nn.attention import SpanPlan, TokenSpan, gathered_attention
from speech_service.engines.qwen3.nn.kv_cache import KvCache
from tests.qwen_tiny.audio import speech_like
from tests.qwen_tiny.golden import audio_digest, read_golden
from tests.unit.engines.qwen3.aligner.loading import make_engine, parts_of

Parts = Any


@pytest.fixture(scope="module")
def parts(aligner_folder: Path) -> Parts:
    return parts_of(make_engine(aligner_folder))


@pytest.fixture(scope="module")
def passages(parts: Parts) -> dict[str, Passage]:
    """What the network reads of each recorded case."""
    made: dict[str, Passage] = {}
    for case in read_golden("aligner").cases:
        samples = speech_like(case["audio"]["seed"], case["audio"]["duration_s"])
        assert audio_digest(samples) == case["audio"]["sha256"]
        made[case["name"]] = parts.maker.make(AlignerPiece(samples, case["words"]))
    return made


@pytest.fixture
def short(passages: dict[str, Passage]) -> list[Passage]:
    """Passages of less than ten seconds."""
    found = [passage for passage in passages.values() if passage.mel.shape[1] < 1_000]
    assert len(found) >= 8
    return found


@torch.inference_mode()
def classes(parts: Parts, passages: Sequence[Passage]) -> list[list[int] | None]:
    return parts.network.classes(passages)


def test_classes_and_times_equal_those_of_the_official_package(
    parts: Parts, passages: dict[str, Passage]
) -> None:
    cases = read_golden("aligner").cases
    assert len(cases) >= 20
    assert max(case["audio"]["duration_s"] for case in cases) >= 180
    for case in cases:
        (found,) = classes(parts, [passages[case["name"]]])
        assert found is not None
        assert found == case["classes"], case["name"]
        times, _ = monotone([80 * at for at in found])
        assert (times[::2], times[1::2]) == (case["start_ms"], case["end_ms"])


def test_the_prompt_is_the_official_packages(parts: Parts, passages: dict[str, Passage]) -> None:
    for case in read_golden("aligner").cases:
        made = passages[case["name"]]
        audio = set(case["prompt_ids"]) - {*made.head, *made.tail}
        assert len(audio) == 1, "one id stands for audio"
        count = case["prompt_ids"].count(*audio)
        assert tuple(case["prompt_ids"]) == (*made.head, *(tuple(audio) * count), *made.tail)
        assert parts.network.length(made) == len(case["prompt_ids"])


@pytest.mark.parametrize("size", [3, 20])
def test_a_batch_gives_what_each_gives_alone(parts: Parts, short: list[Passage], size: int) -> None:
    alone = [classes(parts, [each])[0] for each in short]
    for at in range(0, len(short), size):
        assert classes(parts, short[at : at + size]) == alone[at : at + size]


def test_packed_sequences_attend_as_with_a_cache(parts: Parts) -> None:
    network: AlignerNetwork = parts.network
    lengths = (1, 7, 30)
    x = torch.randn(
        sum(lengths), network.stack.shape.hidden_size, generator=torch.Generator().manual_seed(7)
    )
    cache = KvCache(network.stack.shape, slots=3, length=32)
    spans = [TokenSpan(slot, 0, count) for slot, count in enumerate(lengths)]
    with torch.inference_mode():
        packed = network.stack(x, CausalPlan(lengths, x.device))
        cached = network.stack(x, SpanPlan(cache, spans))
    torch.testing.assert_close(packed, cached, atol=1e-5, rtol=1e-5)


def test_one_call_for_all_sequences_attends_as_one_for_each(parts: Parts) -> None:
    network: AlignerNetwork = parts.network
    lengths = (1, 7, 30)
    x = torch.randn(
        sum(lengths), network.stack.shape.hidden_size, generator=torch.Generator().manual_seed(7)
    )
    plan = rows_plan(lengths, network.stack.shape, x)
    plan.attention = gathered_attention  # a CPU has no other
    with torch.inference_mode():
        packed = network.stack(x, CausalPlan(lengths, x.device))
        # Other sums of the same products, through all layers; what must not be seen would cost far more.
        torch.testing.assert_close(network.stack(x, plan), packed, atol=1e-4, rtol=1e-4)


def test_numbers_that_are_not_finite_fail_alone(parts: Parts, short: list[Passage]) -> None:
    passages = short[:8]
    alone = classes(parts, passages)
    passages[3] = replace(passages[3], mel=passages[3].mel * torch.nan)
    with torch.inference_mode():
        found = read(parts.network, passages)
    assert found == [*alone[:3], None, *alone[4:]]


def test_a_pass_that_raises_fails_only_the_one_at_fault(
    parts: Parts, short: list[Passage], monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(passages_module.logger, "exception", logged.append)
    passages = short[:8]
    alone = classes(parts, passages)
    passages[5] = replace(passages[5], mel=passages[5].mel[:100])  # too few bands
    with torch.inference_mode():
        found = read(parts.network, passages)
    assert found == [*alone[:5], None, *alone[6:]]
    assert len(logged) == 1
    assert read(parts.network, []) == []
