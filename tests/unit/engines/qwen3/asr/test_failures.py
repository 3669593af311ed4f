"""One bad request of the recognition engine fails alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from speech_service.domain.errors import InternalError, InvalidAudioError, LimitExceededError
from speech_service.domain.work import RecognizeKind, WorkDone, WorkFailed
from speech_service.engines.qwen3.encoder.network import MelWindow
from tests.qwen_tiny.asr import POISON_TEXT
from tests.qwen_tiny.folder import TinyModels
from tests.unit.engines.qwen3.asr.engines import (
    clip,
    clips,
    greedy,
    make_engine,
    make_work,
    parts,
    run,
    slots_in_use,
    tokens_of,
)


def test_a_poisoned_request_fails_alone_and_leaves_its_slot_clean(tiny_models: TinyModels) -> None:
    model = tiny_models.asr_poisoned()
    engine = make_engine(model, decoding="greedy", max_batch=8, kept_segments=0)
    works = [make_work(samples) for samples in clips(7, seed=60)]
    poisoned = make_work(clip(70, 1.0), context=POISON_TEXT)
    events = run(engine, [*works[:3], poisoned, *works[3:]])
    failure = events[poisoned.work_id]
    assert isinstance(failure, WorkFailed)
    assert isinstance(failure.error, InternalError)
    assert [tokens_of(events[work.work_id]) for work in works] == greedy(model, works)
    assert torch.isfinite(parts(engine).reader.cache.values).all()
    again = [make_work(samples) for samples in clips(8, seed=60)]
    events = run(engine, again)
    assert [tokens_of(events[work.work_id]) for work in again] == greedy(model, again)


def test_a_pass_that_raises_is_traced_to_the_sequence_at_fault(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(target, decoding="greedy")
    works = [make_work(samples) for samples in clips(5, seed=80)]
    guilty = make_work(clip(90, 1.0), context="guilty")
    model: Any = parts(engine).reader._model
    mark = model.embed(torch.tensor(parts(engine).tokenizer.encode("guilty")[:1]))
    stack = model.stack

    def failing(states: Tensor, plan: Any) -> Tensor:
        if bool((states == mark).all(dim=1).any()):
            raise RuntimeError("out of memory")
        return stack(states, plan)

    monkeypatch.setattr(model, "stack", failing)
    events = run(engine, [*works[:2], guilty, *works[2:]])
    assert isinstance(events[guilty.work_id], WorkFailed)
    monkeypatch.undo()
    assert [tokens_of(events[work.work_id]) for work in works] == greedy(target, works)
    assert slots_in_use(engine) == 0


def test_audio_that_cannot_be_encoded_fails_alone(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(target, decoding="greedy")
    model: Any = parts(engine).reader._model
    encoder = model.encoder

    class Failing:
        def encode(self, windows: Sequence[MelWindow]) -> Sequence[Tensor]:
            if any(window.mel.shape[1] == 77 for window in windows):
                raise RuntimeError("kernel failed")
            return encoder.encode(windows)

    monkeypatch.setattr(model, "encoder", Failing())
    works = [make_work(samples) for samples in clips(4, seed=100)]
    guilty = make_work(clip(110, 0.775))
    events = run(engine, [*works, guilty])
    assert isinstance(events[guilty.work_id], WorkFailed)
    assert all(isinstance(events[work.work_id], WorkDone) for work in works)
    assert slots_in_use(engine) == 0


@pytest.mark.parametrize(
    ("context", "fits"), [("", True), ("word " * 4, True), ("word " * 50, False)]
)
def test_a_check_tells_whether_the_context_fits(target: Path, context: str, fits: bool) -> None:
    engine = make_engine(target, max_audio_ms=3000, max_context_tokens=40)
    work = replace(make_work(clip(122, 0.1), context=context), kind=RecognizeKind.CHECK)
    event = run(engine, [work])[work.work_id]
    assert isinstance(event, WorkDone if fits else WorkFailed)
    assert slots_in_use(engine) == 0
    limit = engine.capabilities.max_context_tokens
    assert 0 < limit < 40
    fitting = replace(
        make_work(clip(122, 0.1), context="\u0e01" * (limit // 3)), kind=RecognizeKind.CHECK
    )
    assert isinstance(run(engine, [fitting])[fitting.work_id], WorkDone)


def test_bad_audio_is_refused_by_name_and_the_others_go_on(target: Path) -> None:
    engine = make_engine(target, max_audio_ms=3000, max_context_tokens=40)
    nan = clip(120, 1.0)
    nan[5] = np.nan
    cases = {
        "empty": (make_work(np.zeros(0, np.float32)), InvalidAudioError),
        "nan": (make_work(nan), InvalidAudioError),
        "long": (make_work(clip(121, 3.5)), LimitExceededError),
        "context": (make_work(clip(122, 1.0), context="word " * 50), LimitExceededError),
    }
    fine = make_work(clip(123, 1.0))
    events = run(engine, [*(work for work, _ in cases.values()), fine])
    for name, (work, error) in cases.items():
        event = events[work.work_id]
        assert isinstance(event, WorkFailed), name
        assert isinstance(event.error, error), name
    assert [tokens_of(events[fine.work_id])] == greedy(target, [fine])
