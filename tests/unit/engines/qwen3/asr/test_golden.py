"""The engine's results against those of the official package, recorded in tests/assets/qwen3."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from speech_service.domain.work import WorkDone
from speech_service.engines.qwen3.asr.build import AsrNumerics, load
from speech_service.engines.qwen3.asr.prompt import AsrPrompter
from speech_service.engines.qwen_release.recognition import TAGS
from speech_service.text.repetition import collapse_repetitions
from tests.qwen_tiny.clip_features import ClipFeatures
from tests.qwen_tiny.golden import Golden, difference, read_golden
from tests.unit.engines.qwen3.asr.engines import clip, limit, make_engine, make_work, run, tokens_of

ENCODER_TOLERANCE = 1e-5
MEL_TOLERANCE = 1e-5


@cache
def golden() -> Golden:
    """Read the recorded results once."""
    return read_golden("asr")


def language_of(case: dict[str, Any]) -> str:
    """Give the forced language as BCP-47."""
    return TAGS[case["language"].casefold()] if case["language"] else ""


def work_of(case: dict[str, Any], **fields: Any) -> Any:
    """Make the work of a recorded case."""
    samples = clip(case["audio"]["seed"], case["audio"]["duration_s"])
    return make_work(samples, context=case["context"], language=language_of(case), **fields)


def test_at_least_fifty_clips_from_300_ms_to_a_minute_are_recorded() -> None:
    durations = [case["audio"]["duration_s"] for case in golden().cases]
    assert len(durations) >= 50
    assert min(durations) <= 0.3
    assert max(durations) >= 60


def expected_tokens(case: dict[str, Any]) -> tuple[int, ...]:
    """Give the recorded answer without its end."""
    return tuple(token for token in case["tokens"] if token not in golden().document["eos_ids"])


@pytest.mark.parametrize("decoding", ["greedy", "previous", "draft", "previous+draft"])
def test_tokens_equal_the_official_package(target: Path, draft: Path, decoding: str) -> None:
    engine = make_engine(target, draft, decoding=decoding, features=ClipFeatures, max_batch=6)
    cases = golden().cases
    for longest in sorted({case["max_new_tokens"] for case in cases}):
        limit(engine, longest)
        chosen = [case for case in cases if case["max_new_tokens"] == longest]
        # every other one brings its answer as the draft, as a streaming update does
        drafts = [expected_tokens(case) if i % 2 else () for i, case in enumerate(chosen)]
        works = [work_of(c, draft_tokens=d) for c, d in zip(chosen, drafts, strict=True)]
        events = run(engine, works)
        for case, work in zip(chosen, works, strict=True):
            assert tokens_of(events[work.work_id]) == expected_tokens(case), case["name"]


def test_mel_encoder_and_prompt_equal_the_official_package(target: Path) -> None:
    loaded = load(str(target), "", AsrNumerics("float32", "cpu", "none"), 2048)
    prompter, encoder = AsrPrompter(loaded.tokenizer), loaded.model().encoder
    with torch.inference_mode():
        for case in golden().cases:
            name = case["name"]
            work = work_of(case)
            windows = ClipFeatures(loaded.config.audio).grow(work.samples).open
            mel = torch.cat([window.mel for window in windows], dim=1).T.numpy()
            assert difference(golden(), f"{name}/mel", mel) <= MEL_TOLERANCE, name
            states = torch.cat(list(encoder.encode(windows))).numpy()
            assert difference(golden(), f"{name}/encoder", states) <= ENCODER_TOLERANCE, name
            prompt = prompter.prompt(work.context, work.language)
            audio = [loaded.config.audio_token_id] * len(states)
            assert [*prompt.head, *audio, *prompt.tail] == case["prompt_ids"], name


def test_text_and_language_equal_the_official_package_where_nothing_repeats(target: Path) -> None:
    engine = make_engine(target, decoding="greedy", features=ClipFeatures)
    looked_at = 0
    for case in golden().cases:
        result = case["result"]
        text = result["text"]
        limit(engine, case["max_new_tokens"])
        work = work_of(case)
        event = run(engine, [work])[work.work_id]
        assert isinstance(event, WorkDone)
        ours = event.hypothesis.text
        if (
            ours != text
        ):  # the official package shortens what it repeats: so would the rule without a length
            assert collapse_repetitions(ours) != ours, case["name"]
            assert len(ours) > len(text)
            continue
        assert ours == text, case["name"]
        assert event.hypothesis.language == TAGS.get(result["language"].casefold(), "")
        looked_at += 1
    assert looked_at >= 20


def test_a_clip_of_silence_has_finite_features(target: Path) -> None:
    loaded = load(str(target), "", AsrNumerics("float32", "cpu", "none"), 2048)
    features = ClipFeatures(loaded.config.audio).grow(np.zeros(16_000, np.float32))
    assert all(torch.isfinite(window.mel).all() for window in features.open)
