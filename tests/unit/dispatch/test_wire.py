"""Work and outcomes keep their meaning over the wire."""

import dataclasses
import time
from typing import Any

import numpy as np
import pytest

from speech_service.dispatch.workers import wire, wire_tasks
from speech_service.domain.alignment import (
    AlignedUnit,
    Alignment,
    Granularity,
    UnalignedReason,
    UnalignedSpan,
)
from speech_service.domain.errors import (
    DeadlineError,
    InternalError,
    InvalidAudioError,
    InvalidOptionError,
    NotImplementedYetError,
    OverloadedError,
    PreconditionError,
    ResourceNotFoundError,
    SpeechError,
    UnavailableError,
)
from speech_service.domain.synthesis import LexiconEntry, SpokenWord, VoicePrompt
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.translation import (
    FailedText,
    GlossaryEntry,
    LanguageGuess,
    LostTerm,
    Translation,
)
from speech_service.domain.work import (
    AlignWork,
    DropReason,
    IdentifyWork,
    LanguagesFound,
    Outcome,
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    SpeechMade,
    SynthesizeWork,
    TranslateWork,
    Work,
    WorkAudio,
    WorkClass,
    WorkDone,
    WorkDropped,
    WorkFailed,
    WorkTiming,
)


def test_work_comes_back_as_it_was() -> None:
    samples = np.random.default_rng(1).standard_normal(600_000).astype(np.float32)
    for kind, work_class in [
        (RecognizeKind.FINAL, WorkClass.STREAM_FINAL),
        (RecognizeKind.PARTIAL, WorkClass.BACKGROUND),
    ]:
        work = RecognizeWork(
            work_id="w",
            segment=SegmentKey("stream", 3, 7),
            kind=kind,
            work_class=work_class,
            samples=samples,
            model="m",
            language="en",
            context="what came before",
            draft_tokens=(1, 50_000),
            deadline_s=time.monotonic() + 5,
            traceparent="00-a-b-01",
        )
        messages = wire.encode_audio(work.segment, samples, 100, len(samples))
        assert len(messages) == 3
        assert all(message.ByteSize() < 1.1 * 1024 * 1024 for message in messages)
        heard = np.concatenate([wire.decode_samples(message.audio) for message in messages])
        assert np.array_equal(heard, samples[100:])
        submission = wire.encode_submit(work, 9).submit
        assert wire_tasks.sample_count(submission) == len(samples)
        back = wire_tasks.take_task(submission, "w", samples)
        assert isinstance(back, RecognizeWork)
        assert back.deadline_s == pytest.approx(work.deadline_s, abs=0.1)
        for name in (
            "segment",
            "kind",
            "work_class",
            "model",
            "language",
            "context",
            "traceparent",
        ):
            assert getattr(back, name) == getattr(work, name)
        assert back.draft_tokens == work.draft_tokens


def test_result_comes_back_as_it_was() -> None:
    timing = WorkTiming(1.0, 2.0, 3.0, 4, 5, 3, 6.0, 7.0)
    event = WorkDone("w", Hypothesis("text", (1, 2), "en", 0.5), timing)
    back = wire.decode_done(wire.encode_event(event, 1).done, "w", waited_ms=10.0)
    assert back.hypothesis == event.hypothesis
    assert back.timing == dataclasses.replace(timing, queue_ms=11.0)
    for reason in DropReason:
        dropped = WorkDropped("w", reason)
        assert wire.decode_dropped(wire.encode_event(dropped, 1).dropped, "w") == dropped


@pytest.mark.parametrize(
    "error",
    [
        DeadlineError("late"),
        InternalError("internal error"),
        InvalidAudioError("audio", "is empty"),
        InvalidOptionError("config.language", "is not known", "en"),
        NotImplementedYetError("later"),
        OverloadedError("full", retry_after_ms=70, metadata={"max_queued": "1"}),
        PreconditionError("m", "not loaded", reason="MODEL_NOT_LOADED"),
        ResourceNotFoundError("model", "x"),
        UnavailableError("draining", reason="DRAINING"),
    ],
)
def test_errors_keep_type_reason_and_words(error: SpeechError) -> None:
    message = wire.encode_event(WorkFailed("w", error), 1).failed
    back = wire.decode_failed(message, "w").error
    assert type(back) is type(error)
    assert (back.reason, back.message, back.metadata) == (
        error.reason,
        error.message,
        error.metadata,
    )
    assert getattr(back, "retry_after_ms", 0) == getattr(error, "retry_after_ms", 0)
    assert getattr(back, "option", "") == getattr(error, "option", "")


_CLIP = np.linspace(-1, 1, 800, dtype=np.float32)
_COMMON: dict[str, Any] = {
    "work_id": "w",
    "stream_id": "stream",
    "work_class": WorkClass.UNARY,
    "model": "m",
    "traceparent": "00-a-b-01",
}


@pytest.mark.parametrize(
    "work",
    [
        SynthesizeWork(
            **_COMMON,
            text="Say it.",
            voice="v",
            language="en",
            speaking_rate=1.5,
            seed=2**40,
            lexicon=(LexiconEntry("it", "ih t", "arpabet"),),
            instruct="like a secret",
            voice_prompt=VoicePrompt(_CLIP, "what is said"),
        ),
        AlignWork(
            **_COMMON,
            segment=SegmentKey("stream", 1, 2),
            samples=_CLIP,
            text="said",
            language="en",
            granularity=Granularity.PHONE,
        ),
        TranslateWork(
            **_COMMON,
            texts=("a", "b"),
            source_language="en",
            target_language="pt",
            glossary=(GlossaryEntry("a", "A", "pt", False), GlossaryEntry("b", "", "", True)),
            context="about letters",
        ),
        IdentifyWork(**_COMMON, texts=("one", "dois")),
    ],
    ids=lambda work: type(work).__name__,
)
def test_every_kind_of_work_comes_back_as_it_was(work: Work) -> None:
    submission = wire.encode_submit(work, 4).submit
    back = wire_tasks.take_task(submission, "w", _CLIP if work.audio is not None else None)
    assert type(back) is type(work)
    for field in dataclasses.fields(work):
        assert getattr(back, field.name) is _CLIP or getattr(back, field.name) == getattr(
            work, field.name
        ), field.name


@pytest.mark.parametrize(
    "outcome",
    [
        SpeechMade(24_000, (SpokenWord("Say", 0, 3, 0, 9_000),), ("世",)),
        Alignment(
            (AlignedUnit("said", Granularity.WORD, 0, 4, 10, 300, False, 0.5),),
            (UnalignedSpan(5, 9, 300, 300, UnalignedReason.TEXT_NOT_SPOKEN),),
        ),
        Translation(("um", ""), (FailedText(1, "R", "m"),), (LostTerm(0, 2),), (0,)),
        LanguagesFound(((LanguageGuess("en", 0.5), LanguageGuess("pt")), ())),
    ],
    ids=lambda outcome: type(outcome).__name__,
)
def test_every_outcome_comes_back_as_it_was(outcome: Outcome) -> None:
    done = wire.encode_event(WorkDone("w", outcome, WorkTiming()), 1).done
    assert wire.decode_done(done, "w", waited_ms=0.0).outcome == outcome


def test_a_piece_of_speech_comes_back_as_it_was() -> None:
    message = wire.encode_event(WorkAudio("w", _CLIP, 24_000), 1).audio
    assert np.array_equal(wire.decode_samples(message), _CLIP)
    assert message.sample_rate_hz == 24_000
