"""What the front end and a worker say to each other: the messages, and how work and its outcomes become some.

A frame holds a list of messages. The first one of either side is its ``Hello`` alone: it says which protocol and which
shapes the side speaks, so that two releases that do not understand each other say so instead of guessing.
"""

import dataclasses
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, get_args

import msgspec
import numpy as np

from speech_service.config.tree import ObservabilityConfig
from speech_service.dispatch.workers import codec
from speech_service.dispatch.workers.codec import BrokenFrameError, Kinds, Tagged
from speech_service.domain.audio import Samples
from speech_service.domain.models import ModelCapabilities, ModelStatus
from speech_service.domain.work import (
    AlignWork,
    DropReason,
    Outcome,
    RecognizeWork,
    SegmentKey,
    Work,
    WorkAudio,
    WorkDone,
    WorkDropped,
    WorkEvent,
    WorkFailed,
    WorkTiming,
)

PROTOCOL = 1
"""Goes up with every change of what a message means that its shape does not show."""
MAX_AUDIO_SAMPLES = 256 * 1024
"""Of one message, 1 MiB: a long clip does not hold up the cancels behind it."""
Count = Annotated[int, msgspec.Meta(ge=0)]
NOTHING_HEARD: Samples = np.empty(0, np.float32)

_WORK: Kinds[Work] = Kinds(get_args(Work))
_OUTCOMES: Kinds[Outcome] = Kinds(get_args(Outcome))


class WireMessage(
    msgspec.Struct, frozen=True, array_like=True, tag=True, forbid_unknown_fields=True
):
    """A message. ``number`` is the one that the front end gave the work, or the question, that it is about."""


class Hello(WireMessage, frozen=True):
    """The first message of a side. The first two fields stay as they are in every protocol."""

    protocol: int
    schema: str
    models: tuple[ModelCapabilities, ...]
    """Of the front end: what it will ask for; of the worker: what it serves."""
    config: dict[str, Any] = {}
    """Of the front end: the configuration, for the worker to run under."""


# --- to the worker ---


class NewWork(WireMessage, frozen=True):
    """Work to do. Its audio goes ahead in ``NewAudio``; the first ``sample_count`` samples of it are meant."""

    number: int
    work: Tagged
    sample_count: Count
    left_s: float | None
    """Until nobody wants the outcome; the clocks of two machines differ."""


class NewAudio(WireMessage, frozen=True):
    """More audio of a segment, from ``offset_samples`` on; 0 begins it again."""

    key: SegmentKey
    offset_samples: Count
    samples: Samples


class CancelledWork(WireMessage, frozen=True):
    """Nobody wants the outcome."""

    number: int


class SegmentOver(WireMessage, frozen=True):
    """No further work needs the audio of the segment."""

    key: SegmentKey


class LogChanged(WireMessage, frozen=True):
    """The worker is to log so from now on."""

    observability: ObservabilityConfig


class BeatNow(WireMessage, frozen=True):
    """Does every loaded model still give results? To be answered in ``timeout_s``."""

    timeout_s: float


class TellStatus(WireMessage, frozen=True):
    """How is the process?"""


class LoadModel(WireMessage, frozen=True):
    """Load the model; the answer comes when it is ready."""

    model: str


class UnloadModel(WireMessage, frozen=True):
    """Unload the model; the answer comes when its memory is free."""

    model: str


class Question(WireMessage, frozen=True):
    """Something beside the work; its ``Reply`` has the same number."""

    number: int
    asked: BeatNow | TellStatus | LoadModel | UnloadModel


# --- to the front end ---


class FinishedWork(WireMessage, frozen=True):
    """Work is done."""

    number: int
    outcome: Tagged
    timing: WorkTiming


class FailedWork(WireMessage, frozen=True):
    """Work failed."""

    number: int
    error: Tagged


class DroppedWork(WireMessage, frozen=True):
    """Work was given up."""

    number: int
    reason: DropReason


class MadeAudio(WireMessage, frozen=True):
    """A piece of speech; more events of its work follow."""

    number: int
    samples: Samples
    sample_rate_hz: int


class AudioWanted(WireMessage, frozen=True):
    """The audio of the work is not here any more; the work waits for all of it."""

    number: int


@dataclasses.dataclass(frozen=True, slots=True)
class Beat:
    """How one model answered. ``latency_ms`` is 0 when real work answered for it.

    ``stalled_s``: how long it got nothing done although it had work and the chance, as ``effort.py`` counts.
    """

    model: str
    ok: bool
    latency_ms: float = 0.0
    message: str = ""
    stalled_s: float = 0.0


MetricKey = tuple[str, tuple[tuple[str, str], ...]]
"""Name and labels of a metric."""


class WorkerMetrics(WireMessage, frozen=True):
    """What a worker measured since its last heartbeat; it has no port to show it on."""

    counts: dict[MetricKey, float]
    gauges: dict[MetricKey, float]
    observations: dict[MetricKey, list[float]]


class Beats(WireMessage, frozen=True):
    """How every loaded model answered."""

    models: tuple[Beat, ...]
    metrics: WorkerMetrics


class ProcessStatus(WireMessage, frozen=True):
    """The models that are not unloaded, and the process."""

    models: tuple[ModelStatus, ...]
    queued: int
    rss_bytes: int
    device_memory_bytes: int = 0
    """In use on the GPUs that it sees, by whomever; 0 while it uses none."""


class ModelLoaded(WireMessage, frozen=True):
    """The model is loaded, after so long; 0: it was before."""

    load_ms: float


class ModelUnloaded(WireMessage, frozen=True):
    """The model is not loaded any more; ``was_loaded`` says whether it was."""

    was_loaded: bool


class QuestionFailed(WireMessage, frozen=True):
    """There is no answer."""

    error: Tagged


class Reply(WireMessage, frozen=True):
    """The answer to a question."""

    number: int
    answer: Beats | ProcessStatus | ModelLoaded | ModelUnloaded | QuestionFailed


ToWorker = NewWork | NewAudio | CancelledWork | SegmentOver | LogChanged | Question
FromWorker = FinishedWork | FailedWork | DroppedWork | MadeAudio | AudioWanted | Reply
Asked = BeatNow | TellStatus | LoadModel | UnloadModel
Answered = Beats | ProcessStatus | ModelLoaded | ModelUnloaded | QuestionFailed

_TO_WORKER = codec.decoder(list[ToWorker])
_FROM_WORKER = codec.decoder(list[FromWorker])


def read_to_worker(frame: bytes) -> Sequence[ToWorker]:
    """What the front end says. Raises BrokenFrameError."""
    return codec.decode(_TO_WORKER, frame)


def read_from_worker(frame: bytes) -> Sequence[FromWorker]:
    """What the worker says. Raises BrokenFrameError."""
    return codec.decode(_FROM_WORKER, frame)


# --- the first message ---


class MisfitError(Exception):
    """The other side is not one to work with; says why."""


class _Version(msgspec.Struct, frozen=True, array_like=True, tag="Hello"):
    """The part of a ``Hello`` that every release can read."""

    protocol: int
    schema: str


_VERSION = codec.decoder(_Version)
_HELLO = codec.decoder(Hello)
_REMEDY = "both must be of one release; after an upgrade, restart the service"


@cache
def schema() -> str:
    """Names the shape of everything that may travel."""
    values = [*get_args(Work), *get_args(Outcome), *codec.ERROR_TYPES.values()]
    return codec.fingerprint([*WireMessage.__subclasses__(), Tagged, *values])


def encode_hello(
    models: Sequence[ModelCapabilities], config: Mapping[str, Any] | None = None
) -> bytes:
    """The first frame of a side."""
    return codec.encode(Hello(PROTOCOL, schema(), tuple(models), dict(config or {})))


def read_hello(frame: bytes) -> Hello:
    """The first frame of the other side.

    Raises:
        MisfitError: it speaks otherwise.
    """
    try:
        version = codec.decode(_VERSION, frame)
        if version.protocol != PROTOCOL:
            problem = f"it speaks protocol {version.protocol}, and here {PROTOCOL} is spoken"
        elif version.schema != schema():
            problem = f"its messages have the shape {version.schema[:16]}, and here {schema()}"
        else:
            return codec.decode(_HELLO, frame)
    except BrokenFrameError:
        problem = "its first words are no greeting"
    raise MisfitError(f"{problem}; {_REMEDY}")


def check_serves(hello: Hello, wanted: Sequence[ModelCapabilities]) -> None:
    """The worker must serve what the front end tells its clients; it may well serve more.

    Raises:
        MisfitError: a model is missing, is another one, or lacks an option, a language, a voice or a limit.
    """
    served = {model.name: model for model in hello.models}
    for model in wanted:
        found = served.get(model.name)
        if found is None:
            raise MisfitError(f"it has no model {model.name}")
        if found.kind is not model.kind:
            raise MisfitError(f"its model {model.name} is a {found.kind.value}")
        if lacking := _lacking(model, found):
            raise MisfitError(f"its model {model.name} lacks {', '.join(lacking)}")


def _lacking(wanted: ModelCapabilities, found: ModelCapabilities) -> list[str]:
    """What clients are told that the model has, and it has not, in words."""
    options = {each.value for each in wanted.capabilities - found.capabilities}
    languages = {f"the language {each}" for each in {*wanted.languages} - {*found.languages}}
    voices = {voice.voice_id for voice in wanted.voices} - {v.voice_id for v in found.voices}
    pairs = {*wanted.language_pairs} - {*found.language_pairs}
    limits: list[str] = []
    if found.sample_rate_hz != wanted.sample_rate_hz:
        limits.append(f"the rate {wanted.sample_rate_hz} Hz")
    if found.max_segment_ms < wanted.max_segment_ms:
        limits.append(f"segments of {wanted.max_segment_ms} ms")
    if 0 < found.max_context_tokens < (wanted.max_context_tokens or sys.maxsize):
        limits.append(f"contexts of more than {found.max_context_tokens} tokens")
    return [
        *sorted(options),
        *sorted(languages),
        *sorted(f"the voice {voice}" for voice in voices),
        *sorted(f"the pair {source}-{target}" for source, target in pairs),
        *limits,
    ]


# --- work and its outcomes ---


def work_message(work: Work, number: int) -> NewWork:
    """Work to send, under its number, without its audio. Raises what ``codec.encode`` raises."""
    left_s = None if work.deadline_s is None else max(0.0, work.deadline_s - time.monotonic())
    if isinstance(work, RecognizeWork | AlignWork):
        count = len(work.samples)
        bare = dataclasses.replace(
            work, work_id=str(number), deadline_s=None, samples=NOTHING_HEARD
        )
        return NewWork(number, _WORK.pack(bare), count, left_s)
    bare = dataclasses.replace(work, work_id=str(number), deadline_s=None)
    return NewWork(number, _WORK.pack(bare), 0, left_s)


def take_work(message: NewWork) -> Work:
    """The work, under its number, with the deadline of this process's clock and without its audio.

    Raises:
        BrokenFrameError: it is no work.
    """
    work = _WORK.unpack(message.work)
    if message.left_s is None:
        return work
    return dataclasses.replace(work, deadline_s=time.monotonic() + message.left_s)


def with_audio(work: RecognizeWork | AlignWork, samples: Samples) -> Work:
    """The work with the audio that went ahead of it."""
    return dataclasses.replace(work, samples=samples)


def audio_messages(key: SegmentKey, samples: Samples, start: int, stop: int) -> Iterator[NewAudio]:
    """Samples [start, stop) of a segment, in pieces."""
    for at in range(start, stop, MAX_AUDIO_SAMPLES):
        yield NewAudio(key, at, samples[at : min(stop, at + MAX_AUDIO_SAMPLES)])


def event_messages(event: WorkEvent, number: int) -> Iterator[FromWorker]:
    """An event of the work with this number. Raises what ``codec.encode`` raises."""
    match event:
        case WorkAudio(samples=samples, sample_rate_hz=rate_hz):
            for at in range(0, len(samples), MAX_AUDIO_SAMPLES):
                yield MadeAudio(number, samples[at : at + MAX_AUDIO_SAMPLES], rate_hz)
        case WorkDone(outcome=outcome, timing=timing):
            yield FinishedWork(number, _OUTCOMES.pack(outcome), timing)
        case WorkFailed(error=error):
            yield FailedWork(number, codec.pack_error(error))
        case WorkDropped(reason=reason):
            yield DroppedWork(number, reason)


def take_done(message: FinishedWork, work_id: str, waited_ms: float) -> WorkDone:
    """A result. ``waited_ms`` is what the work waited before it was sent. Raises BrokenFrameError."""
    timing = dataclasses.replace(message.timing, queue_ms=waited_ms + message.timing.queue_ms)
    return WorkDone(work_id, _OUTCOMES.unpack(message.outcome), timing)


def take_failed(message: FailedWork, work_id: str) -> WorkFailed:
    """A failure, as the error that the worker meant. Raises BrokenFrameError."""
    return WorkFailed(work_id, codec.unpack_error(message.error))
