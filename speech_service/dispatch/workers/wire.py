"""Work and its outcomes as protobuf, both ways: the envelopes. Only ``wire*.py`` know both shapes."""

import time

import numpy as np

from speech.internal.v1 import work_pb2
from speech.internal.v1 import worker_pb2 as pb
from speech_service.dispatch.workers.wire_errors import decode_error, encode_error
from speech_service.dispatch.workers.wire_tasks import (
    CLASS_TO_WIRE,
    put_outcome,
    put_task,
    take_outcome,
)
from speech_service.domain.audio import Samples
from speech_service.domain.errors import DeadlineError
from speech_service.domain.work import (
    DropReason,
    SegmentKey,
    Work,
    WorkAudio,
    WorkClass,
    WorkDone,
    WorkDropped,
    WorkEvent,
    WorkFailed,
    WorkTiming,
)

MAX_AUDIO_MESSAGE_SAMPLES = 256 * 1024
"""One MiB: a long clip does not hold up the cancels behind it."""

_DROP_TO_WIRE = {
    DropReason.SUPERSEDED: work_pb2.DROP_REASON_SUPERSEDED,
    DropReason.CANCELLED: work_pb2.DROP_REASON_CANCELLED,
}
_DROP_FROM_WIRE = {wire: reason for reason, wire in _DROP_TO_WIRE.items()}


def class_to_wire(work_class: WorkClass) -> work_pb2.WorkClass.ValueType:
    """The wire's name of a class."""
    return CLASS_TO_WIRE[work_class]


def encode_submit(work: Work, wire_id: int) -> pb.RunCommand:
    """The submission of a work item; its audio goes ahead in messages of its own."""
    key = work.audio.key if work.audio is not None else SegmentKey(work.stream_id, 0, 0)
    message = work_pb2.SubmitWork(
        work_id=wire_id,
        stream_id=key.stream_id,
        segment_id=key.segment_id,
        channel=key.channel,
        model=work.model,
        work_class=CLASS_TO_WIRE[work.work_class],
        traceparent=work.traceparent,
    )
    put_task(message, work)
    if work.deadline_s is not None:
        message.deadline_remaining_ms = max(0, round((work.deadline_s - time.monotonic()) * 1000))
    return pb.RunCommand(submit=message)


def encode_audio(key: SegmentKey, samples: Samples, start: int, stop: int) -> list[pb.RunCommand]:
    """Samples [start, stop) of a segment, in messages of at most one MiB."""
    return [
        pb.RunCommand(
            audio=work_pb2.SegmentAudio(
                stream_id=key.stream_id,
                channel=key.channel,
                segment_id=key.segment_id,
                offset_samples=at,
                samples_f32le=_to_bytes(samples[at : min(stop, at + MAX_AUDIO_MESSAGE_SAMPLES)]),
            )
        )
        for at in range(start, stop, MAX_AUDIO_MESSAGE_SAMPLES)
    ]


def decode_samples(message: work_pb2.SegmentAudio | work_pb2.WorkAudio) -> Samples:
    """The samples of an audio message (a view of its bytes)."""
    return np.frombuffer(message.samples_f32le, dtype="<f4")


def encode_release(key: SegmentKey) -> pb.RunCommand:
    """The end of a segment."""
    message = work_pb2.ReleaseSegment(
        stream_id=key.stream_id, channel=key.channel, segment_id=key.segment_id
    )
    return pb.RunCommand(release_segment=message)


def encode_event(event: WorkEvent, wire_id: int) -> pb.RunEvent:
    """An event, under the number that the front end gave the work."""
    match event:
        case WorkAudio(samples=samples, sample_rate_hz=rate_hz):
            audio = work_pb2.WorkAudio(
                work_id=wire_id, samples_f32le=_to_bytes(samples), sample_rate_hz=rate_hz
            )
            return pb.RunEvent(audio=audio)
        case WorkDone():
            return pb.RunEvent(done=_encode_done(event, wire_id))
        case WorkFailed(error=error):
            return pb.RunEvent(failed=encode_error(error, wire_id))
        case WorkDropped(reason=reason):
            message = work_pb2.WorkDropped(work_id=wire_id, reason=_DROP_TO_WIRE[reason])
            return pb.RunEvent(dropped=message)


def decode_done(message: work_pb2.WorkDone, work_id: str, waited_ms: float) -> WorkDone:
    """A result. ``waited_ms`` is what the work waited before it was sent."""
    timing = message.timing
    return WorkDone(
        work_id,
        take_outcome(message),
        WorkTiming(
            queue_ms=waited_ms + timing.queue_ms,
            encode_ms=timing.encode_ms,
            decode_ms=timing.decode_ms,
            decode_steps=timing.decode_steps,
            draft_proposed=timing.draft_proposed,
            draft_accepted=timing.draft_accepted,
            first_frame_ms=timing.first_frame_ms,
            codec_ms=timing.codec_ms,
        ),
    )


def decode_failed(message: work_pb2.WorkFailed, work_id: str) -> WorkFailed:
    """A failure, as the error that the worker meant."""
    return WorkFailed(work_id, decode_error(message))


def decode_dropped(message: work_pb2.WorkDropped, work_id: str) -> WorkDropped | WorkFailed:
    """A drop; one for a passed deadline is a failure in the service's terms."""
    if message.reason == work_pb2.DROP_REASON_EXPIRED:
        return WorkFailed(work_id, DeadlineError("the deadline passed while the work was waiting"))
    return WorkDropped(work_id, _DROP_FROM_WIRE[message.reason])


def _encode_done(event: WorkDone, wire_id: int) -> work_pb2.WorkDone:
    timing = event.timing
    message = work_pb2.WorkDone(
        work_id=wire_id,
        timing=work_pb2.WorkTiming(
            queue_ms=timing.queue_ms,
            encode_ms=timing.encode_ms,
            decode_ms=timing.decode_ms,
            decode_steps=timing.decode_steps,
            draft_proposed=timing.draft_proposed,
            draft_accepted=timing.draft_accepted,
            first_frame_ms=timing.first_frame_ms,
            codec_ms=timing.codec_ms,
        ),
    )
    put_outcome(message, event.outcome)
    return message


def _to_bytes(samples: Samples) -> bytes:
    return samples.astype("<f4", copy=False).tobytes()
