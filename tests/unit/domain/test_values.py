"""Values of the domain: units, and what work says of itself."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.domain.audio import MODEL_RATE_HZ, ms_to_samples, samples_to_ms
from speech_service.domain.call import Call
from speech_service.domain.events import LatencySummary, Usage
from speech_service.domain.work import RecognizeKind, RecognizeWork, SegmentKey, WorkClass


def work(kind: RecognizeKind) -> RecognizeWork:
    """Work with something that must stay secret."""
    return RecognizeWork(
        work_id="w",
        segment=SegmentKey("s", 1, 2),
        kind=kind,
        work_class=WorkClass.STREAM_FINAL,
        samples=np.full(3, 0.12345, np.float32),
        model="m",
        context="canary",
        draft_tokens=(4242,),
    )


@given(st.integers(0, 10**9))
def test_milliseconds_and_samples_agree(ms: int) -> None:
    assert samples_to_ms(ms_to_samples(ms)) == ms
    assert ms_to_samples(ms) * 1000 == ms * MODEL_RATE_HZ


@given(st.integers(0, 10**9))
def test_a_millisecond_that_has_begun_does_not_count(samples: int) -> None:
    assert ms_to_samples(samples_to_ms(samples)) <= samples
    assert samples - ms_to_samples(samples_to_ms(samples)) < 16


def test_only_partials_give_way_to_newer_work() -> None:
    assert work(RecognizeKind.PARTIAL).supersede_key == SegmentKey("s", 1, 2)
    assert work(RecognizeKind.FINAL).supersede_key is None


def test_work_does_not_show_audio_or_text() -> None:
    shown = repr(work(RecognizeKind.FINAL))
    assert "w" in shown
    for secret in ("0.12345", "canary", "4242"):
        assert secret not in shown


def test_work_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        work(RecognizeKind.FINAL).work_id = "x"  # pyright: ignore[reportAttributeAccessIssue]


def test_classes_are_ordered_most_urgent_first() -> None:
    assert sorted(WorkClass) == [
        WorkClass.STREAM_FINAL,
        WorkClass.STREAM_PARTIAL,
        WorkClass.UNARY,
        WorkClass.BACKGROUND,
    ]


def test_a_call_keeps_what_it_used() -> None:
    call = Call("speech.v1.RecognitionService", "Recognize", "unary", "r", started_s=0.0)
    call.finished(Usage(audio_in_ms=5), LatencySummary(queue_ms=1))
    assert call.name == "speech.v1.RecognitionService/Recognize"
    assert (call.usage, call.latency) == (Usage(audio_in_ms=5), LatencySummary(queue_ms=1))
    assert call.elapsed_s() > 0
