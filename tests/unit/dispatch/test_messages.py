"""Work, outcomes and errors keep their meaning on the way to a worker and back."""

import dataclasses
import time
from enum import Enum
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_service.dispatch.workers import codec, messages
from speech_service.dispatch.workers.codec import BrokenFrameError, Tagged
from speech_service.dispatch.workers.messages import (
    FailedWork,
    FinishedWork,
    MadeAudio,
    MisfitError,
    NewAudio,
    NewWork,
)
from speech_service.domain.audio import Samples
from speech_service.domain.errors import (
    DeadlineError,
    InvalidAudioError,
    LimitExceededError,
    OverloadedError,
    PreconditionError,
    ResourceNotFoundError,
    SpeechError,
    UnsupportedOptionError,
)
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.synthesis import Voice, VoiceGender, VoicePrompt
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    SynthesizeWork,
    Work,
    WorkAudio,
    WorkClass,
    WorkDone,
    WorkDropped,
    WorkEvent,
    WorkFailed,
    WorkTiming,
)
from tests.unit.dispatch.values import (
    OUTCOME_TYPES,
    WORK_TYPES,
    same,
    speech_errors,
    values,
)

pytestmark = pytest.mark.unit

some = settings(max_examples=30)


def sent(*message: messages.ToWorker) -> list[Any]:
    """What arrives at a worker of messages that were sent."""
    return [
        each
        for frame in codec.frames(map(codec.encode, message))
        for each in messages.read_to_worker(frame)
    ]


def said(event: WorkEvent) -> list[Any]:
    """What arrives of an event of work 1."""
    encoded = map(codec.encode, messages.event_messages(event, 1))
    return [each for frame in codec.frames(encoded) for each in messages.read_from_worker(frame)]


# --- work ---


@pytest.mark.parametrize("kind", WORK_TYPES, ids=lambda kind: kind.__name__)
@some
@given(data=st.data())
def test_work_comes_back_as_it_was(kind: type, data: st.DataObject) -> None:
    work: Any = data.draw(values(kind))
    work = dataclasses.replace(work, work_id="7", deadline_s=None)
    (message,) = sent(messages.work_message(work, 7))
    back: Any = messages.take_work(message)
    if work.audio is not None:
        assert message.sample_count == len(work.samples)
        assert len(back.samples) == 0, "audio goes ahead"
        back = messages.with_audio(back, work.samples)
    assert same(back, work)


def test_a_deadline_is_that_of_the_clock_over_there() -> None:
    work = recognition(deadline_s=time.monotonic() + 5)
    back = messages.take_work(sent(messages.work_message(work, 1))[0])
    assert back.deadline_s is not None
    assert 0 < back.deadline_s - time.monotonic() <= 5
    late = recognition(deadline_s=time.monotonic() - 5)
    assert messages.work_message(late, 1).left_s == 0


def test_long_audio_goes_in_pieces_of_one_mebibyte() -> None:
    samples = np.random.default_rng(1).standard_normal(600_000).astype(np.float32)
    key = SegmentKey("s", 0, 1)
    pieces = list(messages.audio_messages(key, samples, 100, len(samples)))
    assert len(pieces) == 3
    assert all(len(codec.encode(piece)) < (1 << 20) + 100 for piece in pieces)
    arrived = sent(*pieces)
    assert [piece.offset_samples for piece in arrived] == [100, 262_244, 524_388]
    assert np.array_equal(np.concatenate([piece.samples for piece in arrived]), samples[100:])


def test_frames_are_about_full_and_keep_the_order() -> None:
    samples = np.zeros(100_000, np.float32)  # 400 kB
    pieces = [NewAudio(SegmentKey("s", 0, number), 0, samples) for number in range(7)]
    frames = list(codec.frames(map(codec.encode, pieces)))
    read = [messages.read_to_worker(frame) for frame in frames]
    assert [len(each) for each in read] == [3, 3, 1]
    numbers = [m.key.segment_id for each in read for m in each if isinstance(m, NewAudio)]
    assert numbers == list(range(7))


@pytest.mark.parametrize(
    "odd", [{"context": "\ud800"}, {"draft_tokens": (object(),)}, {"draft_tokens": (2**64,)}]
)
def test_work_that_has_no_place_in_a_message_is_refused_where_it_is_sent(
    odd: dict[str, Any],
) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        messages.work_message(recognition(**odd), 1)


def test_a_message_that_is_too_large_is_refused_where_it_is_sent() -> None:
    text = "x" * (codec.MAX_MESSAGE_BYTES + 1)
    with pytest.raises(ValueError, match="at most"):
        codec.encode(messages.work_message(recognition(context=text), 1))


# --- outcomes ---


@pytest.mark.parametrize("kind", OUTCOME_TYPES, ids=lambda kind: kind.__name__)
@some
@given(data=st.data())
def test_an_outcome_comes_back_as_it_was(kind: type, data: st.DataObject) -> None:
    outcome, timing = data.draw(values(kind)), data.draw(values(WorkTiming))
    (message,) = said(WorkDone("w", outcome, timing))
    assert isinstance(message, FinishedWork)
    back = messages.take_done(message, "w", waited_ms=10.0)
    assert same(back.outcome, outcome)
    assert back.timing == dataclasses.replace(timing, queue_ms=10.0 + timing.queue_ms)


@some
@given(error=speech_errors())
def test_an_error_comes_back_as_it_was(error: SpeechError) -> None:
    (message,) = said(WorkFailed("w", error))
    assert isinstance(message, FailedWork)
    back = messages.take_failed(message, "w").error
    assert type(back) is type(error)
    assert (str(back), vars(back)) == (str(error), vars(error))


@pytest.mark.parametrize(
    "error",
    [
        DeadlineError("late"),
        InvalidAudioError("audio", "is empty"),
        LimitExceededError("text", "max_characters", 5),
        OverloadedError("full", retry_after_ms=70, metadata={"max_queued": "1"}),
        PreconditionError("m", "not loaded", reason="MODEL_NOT_LOADED"),
        ResourceNotFoundError("voice", "x", "Say another."),
        UnsupportedOptionError("config.language", "is not known", ["en", "de"]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_as_they_are_raised_keep_class_words_and_details(error: SpeechError) -> None:
    back = codec.unpack_error(codec.pack_error(error))
    assert type(back) is type(error)
    assert (str(back), vars(back)) == (str(error), vars(error))


def test_an_error_of_its_own_class_comes_back_as_the_nearest_that_all_know() -> None:
    class OwnError(OverloadedError):
        """Known to one engine."""

    error = OwnError("full", retry_after_ms=5, reason="OWN")
    error.add_note("seen by nobody")
    back = codec.unpack_error(codec.pack_error(error))
    assert type(back) is OverloadedError
    assert (back.message, back.reason, back.retry_after_ms) == ("full", "OWN", 5)


@some
@given(samples=values(Samples), rate_hz=st.integers(1, 48_000))
def test_speech_comes_back_bit_by_bit(samples: Samples, rate_hz: int) -> None:
    back = said(WorkAudio("w", samples, rate_hz))
    assert len(back) == (1 if len(samples) else 0)
    for message in back:
        assert isinstance(message, MadeAudio)
        assert same(message.samples, samples)
        assert message.samples.flags.writeable
        assert message.sample_rate_hz == rate_hz


def test_drops_and_arrays_that_are_views() -> None:
    for reason in messages.DropReason:
        (message,) = said(WorkDropped("w", reason))
        assert message.reason is reason
    wide = np.arange(20, dtype=np.float32).reshape(10, 2)
    (message,) = said(WorkAudio("w", wide[:, 1], 8_000))
    assert np.array_equal(message.samples, wide[:, 1])


def test_voice_prompts_travel_with_their_work() -> None:
    prompt = VoicePrompt(np.linspace(-1, 1, 800, dtype=np.float32), "what is said")
    work = SynthesizeWork(
        work_id="1",
        stream_id="s",
        work_class=WorkClass.UNARY,
        model="m",
        text="Say it.",
        voice="",
        voice_prompt=prompt,
    )
    back = messages.take_work(sent(messages.work_message(work, 1))[0])
    assert isinstance(back, SynthesizeWork)
    assert back.voice_prompt == prompt
    assert back.voice_prompt is not None
    assert same(back.voice_prompt.samples, prompt.samples)
    assert back.voice_prompt.digest == prompt.digest


# --- what is no message ---

GOOD = messages.work_message(
    RecognizeWork(
        "1",
        SegmentKey("s", 0, 0),
        RecognizeKind.FINAL,
        WorkClass.UNARY,
        np.zeros(4, np.float32),
        "m",
    ),
    1,
)


@pytest.mark.parametrize(
    "array",
    [
        ["<f4", [3], b"\0" * 8],
        ["<f4", [2, 2], b"\0" * 8],
        ["<f4", [-1, -2], b"\0" * 8],
        ["<f4", [0, 2**62], b""],
        ["<f4", [2.0], b"\0" * 8],
        ["<f4", [None], b"\0" * 8],
        ["<f8", [1], b"\0" * 8],
        ["O", [1], b"\0" * 8],
        ["<f4", [2], "\0" * 8],
        ["<f4", [2]],
        b"\0" * 8,
        None,
    ],
    ids=str,
)
def test_an_array_that_does_not_fit_its_bytes_is_refused(array: Any) -> None:
    frame = msgspec.msgpack.encode([["NewAudio", ["s", 0, 0], 0, array]])
    with pytest.raises(BrokenFrameError):
        messages.read_to_worker(frame)


@pytest.mark.parametrize(
    "command",
    [
        ["NewWork", 1, GOOD.work, -1, None],
        ["NewWork", 1, GOOD.work, 0, None, "more"],
        ["NewAudio", ["s", 0, 0], -1, ["<f4", [0], b""]],
        ["CancelledWork", "one"],
        ["NoSuchMessage", 1],
        ["Question", 1, ["LoadModel", 5]],
        {},
        1,
    ],
    ids=[
        "a negative place",
        "one value more",
        "audio at a negative place",
        "a member of the union alone",
        "an unknown message",
        "a value of another type",
        "no array",
        "a number",
    ],
)
def test_a_message_of_another_shape_is_refused(command: Any) -> None:
    with pytest.raises(BrokenFrameError):
        messages.read_to_worker(msgspec.msgpack.encode([command]))


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"message": "m", "reason": "R"},
        {"message": "m", "reason": "R", "metadata": {}, "field": [1]},
        {"message": 5, "reason": "R", "metadata": {}},
        [],
    ],
    ids=str,
)
def test_an_error_without_what_every_error_has_is_refused(state: Any) -> None:
    with pytest.raises(BrokenFrameError):
        codec.unpack_error(Tagged("DeadlineError", msgspec.Raw(msgspec.msgpack.encode(state))))


@pytest.mark.parametrize(
    "tagged",
    [
        Tagged("NoSuchWork", GOOD.work.value),
        Tagged("SynthesizeWork", GOOD.work.value),
        Tagged("RecognizeWork", msgspec.Raw(b"\xc1")),
        Tagged("WorkDone", GOOD.work.value),
    ],
)
def test_work_of_no_known_kind_is_refused(tagged: Tagged) -> None:
    with pytest.raises(BrokenFrameError):
        messages.take_work(NewWork(1, tagged, 0, None))
    with pytest.raises(BrokenFrameError):
        codec.unpack_error(tagged)


# --- the first message ---

EARS = ModelCapabilities(
    "ears",
    ModelKind.RECOGNIZER,
    ("en",),
    16_000,
    20_000,
    capabilities=frozenset({Capability.WORD_TIMES, Capability.WORD_CONFIDENCE}),
)


def test_a_greeting_says_what_is_served_and_under_which_configuration() -> None:
    hello = messages.read_hello(messages.encode_hello([EARS], {"models": [{"backend": "x"}]}))
    assert hello.models == (EARS,)
    assert hello.config == {"models": [{"backend": "x"}]}


@pytest.mark.parametrize(
    ("greeting", "problem"),
    [
        (["Hello", 99, messages.schema(), [], {}], "protocol 99"),
        (["Hello", 99], "no greeting"),
        (["Hello", 99, "x", {"a": "shape"}, "that", "nobody knows"], "protocol 99"),
        (["Hello", messages.PROTOCOL, "0123456789abcdef", [], {}], "shape 0123456789abcdef"),
        (["Hello", messages.PROTOCOL, messages.schema(), "models", {}], "no greeting"),
        ([["CancelledWork", 1]], "no greeting"),
        ({}, "no greeting"),
    ],
    ids=str,
)
def test_one_who_speaks_otherwise_is_refused_with_words(greeting: Any, problem: str) -> None:
    with pytest.raises(MisfitError, match=problem) as caught:
        messages.read_hello(msgspec.msgpack.encode(greeting))
    assert "restart the service" in str(caught.value)


def test_a_worker_must_serve_what_clients_were_told() -> None:
    def serving(*models: ModelCapabilities) -> messages.Hello:
        return messages.read_hello(messages.encode_hello(models))

    messages.check_serves(serving(EARS), [EARS])
    messages.check_serves(serving(EARS, dataclasses.replace(EARS, name="more")), [EARS])
    with pytest.raises(MisfitError, match="no model ears"):
        messages.check_serves(serving(), [EARS])
    mouth = dataclasses.replace(EARS, kind=ModelKind.SYNTHESIZER)
    with pytest.raises(MisfitError, match="ears is a synthesizer"):
        messages.check_serves(serving(mouth), [EARS])
    richer = dataclasses.replace(
        EARS, languages=("de", "en"), max_segment_ms=30_000, description="newer"
    )
    messages.check_serves(serving(richer), [EARS])
    with pytest.raises(MisfitError, match="ears lacks the language de, segments of 30000 ms"):
        messages.check_serves(serving(EARS), [richer])


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        ({"capabilities": frozenset({Capability.WORD_CONFIDENCE})}, "WORD_TIMES"),
        ({"languages": ("de",)}, "the language en"),
        ({"voices": ()}, "the voice v"),
        ({"language_pairs": (("de", "en"),)}, "the pair en-de"),
        ({"sample_rate_hz": 8_000}, "the rate 16000 Hz"),
        ({"max_segment_ms": 10_000}, "segments of 20000 ms"),
        ({"max_context_tokens": 9}, "contexts of more than 9 tokens"),
    ],
)
def test_a_worker_with_a_poorer_model_is_refused(change: dict[str, Any], lacks: str) -> None:
    voice = Voice("v", "V", "ears", ("en",), VoiceGender.NEUTRAL, 16_000)
    told = dataclasses.replace(EARS, voices=(voice,), language_pairs=(("en", "de"),))
    poorer = messages.read_hello(messages.encode_hello([dataclasses.replace(told, **change)]))
    with pytest.raises(MisfitError, match=f"its model ears lacks {lacks}$"):
        messages.check_serves(poorer, [told])


def test_the_fingerprint_changes_with_the_shape_of_what_travels_and_with_nothing_else() -> None:
    class Kind(Enum):
        ONE = "one"

    def fingerprint(field: str = "text", kind: Any = str, prose: str = "", **options: Any) -> str:
        shape = msgspec.defstruct("Word", [(field, kind)], array_like=True, **options)
        shape.__doc__ = prose
        return codec.fingerprint([shape])

    assert fingerprint() == fingerprint(prose="What it is.")
    shapes = [fingerprint(), fingerprint("said"), fingerprint(kind=int), fingerprint(kind=Kind)]
    assert len({*shapes, fingerprint(tag=True), fingerprint(kind=Samples)}) == 6


def recognition(**changes: Any) -> RecognizeWork:
    """Work to recognize."""
    plain: Work = RecognizeWork(
        "w",
        SegmentKey("s", 0, 0),
        RecognizeKind.FINAL,
        WorkClass.STREAM_FINAL,
        np.zeros(16, np.float32),
        "m",
    )
    return dataclasses.replace(plain, **changes)


def test_a_result_is_small() -> None:
    event = WorkDone("w", Hypothesis("some words", (1, 2, 3)), WorkTiming())
    (message,) = messages.event_messages(event, 1)
    assert len(codec.encode(message)) < 400
