"""One Run stream: audio and submissions in, outcomes out. Does no I/O of its own."""

import logging
from collections.abc import Callable

from speech.internal.v1 import work_pb2
from speech.internal.v1 import worker_pb2 as pb
from speech_service.dispatch.workers import wire, wire_tasks
from speech_service.domain.errors import InternalError, SpeechError
from speech_service.domain.work import (
    DropReason,
    SegmentKey,
    WorkAudio,
    WorkDropped,
    WorkEvent,
    WorkFailed,
)
from speech_service.protocols import Submitter
from speech_service.worker.audio_store import AudioStore

logger = logging.getLogger(__name__)


class RunStream:
    """Turns requests into work for ``submitter`` and its events into responses for ``send``.

    Work whose audio is not here (it was evicted, or never came) asks for it and waits until it
    comes.
    """

    def __init__(
        self,
        name: str,
        submitter: Submitter,
        audio: AudioStore,
        send: Callable[[pb.RunEvent], None],
    ) -> None:
        """``name`` is unique in the process: work ids are ``name/<number on the wire>``."""
        self._name = name
        self._submitter = submitter
        self._audio = audio
        self._send = send
        self._running: set[int] = set()
        self._waiting: dict[SegmentKey, dict[int, work_pb2.SubmitWork]] = {}

    def handle(self, request: pb.RunCommand) -> None:
        """Take one message of the front end. One that cannot be taken costs its own work, not the connection."""
        try:
            self._take(request)
        except Exception:
            logger.exception("a message of the front end cannot be taken")
            if request.HasField("submit"):
                number = request.submit.work_id
                failure = InternalError("internal error")
                self._on_event(WorkFailed(self._work_id(number), failure), number)

    def _take(self, request: pb.RunCommand) -> None:
        match request.WhichOneof("payload"):
            case "audio":
                self._append(request.audio)
            case "submit":
                self._submit(request.submit)
            case "cancel":
                self._cancel(request.cancel.work_id)
            case "release_segment":
                self._audio.release(wire_tasks.segment_key(request.release_segment))
            case "call" | None:
                pass  # the service answers calls

    def close(self) -> None:
        """The stream is over: give up its work and forget its audio."""
        for number in list(self._running):
            self._submitter.cancel(self._work_id(number))
        self._waiting.clear()
        self._audio.clear()

    def _append(self, message: work_pb2.SegmentAudio) -> None:
        key = wire_tasks.segment_key(message)
        self._audio.append(key, message.offset_samples, wire.decode_samples(message))
        for number, submission in list(self._waiting.get(key, {}).items()):
            if self._start(submission):
                self._forget_waiting(key, number)

    def _submit(self, message: work_pb2.SubmitWork) -> None:
        if not self._start(message):
            waiting = self._waiting.setdefault(wire_tasks.segment_key(message), {})
            waiting[message.work_id] = message
            self._send(pb.RunEvent(need_audio=work_pb2.NeedAudio(work_id=message.work_id)))

    def _start(self, message: work_pb2.SubmitWork) -> bool:
        """Submit the work; False: its audio is not here."""
        number = message.work_id
        wanted, samples = wire_tasks.sample_count(message), None
        if wanted is not None:
            samples = self._audio.get(wire_tasks.segment_key(message), wanted)
            if samples is None:
                return False
        work = wire_tasks.take_task(message, self._work_id(number), samples)
        self._running.add(number)
        try:
            self._submitter.submit(work, lambda event: self._on_event(event, number))
        except SpeechError as error:
            self._on_event(WorkFailed(work.work_id, error), number)
        return True

    def _on_event(self, event: WorkEvent, number: int) -> None:
        if not isinstance(event, WorkAudio):
            self._running.discard(number)
        self._send(wire.encode_event(event, number))

    def _cancel(self, number: int) -> None:
        self._submitter.cancel(self._work_id(number))
        for key, waiting in list(self._waiting.items()):
            if number in waiting:
                self._forget_waiting(key, number)
                event = WorkDropped(self._work_id(number), DropReason.CANCELLED)
                self._on_event(event, number)

    def _forget_waiting(self, key: SegmentKey, number: int) -> None:
        waiting = self._waiting.get(key, {})
        waiting.pop(number, None)
        if not waiting:
            self._waiting.pop(key, None)

    def _work_id(self, number: int) -> str:
        return f"{self._name}/{number}"
