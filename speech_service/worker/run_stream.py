"""The work of a front end: audio and work in, outcomes out. Does no I/O of its own."""

import logging
from collections.abc import Callable

from speech_service.dispatch.workers import codec, messages
from speech_service.dispatch.workers.codec import BrokenFrameError
from speech_service.dispatch.workers.messages import (
    AudioWanted,
    CancelledWork,
    NewAudio,
    NewWork,
    SegmentOver,
)
from speech_service.domain.errors import InternalError, SpeechError
from speech_service.domain.work import (
    AlignWork,
    DropReason,
    RecognizeWork,
    SegmentKey,
    Work,
    WorkAudio,
    WorkDropped,
    WorkEvent,
    WorkFailed,
)
from speech_service.protocols import Submitter
from speech_service.worker.audio_store import AudioStore

logger = logging.getLogger(__name__)


class RunStream:
    """Turns messages into work for ``submitter`` and its events into messages for ``send``, encoded.

    Work whose audio is not here (it was evicted, or never came) asks for it and waits until it
    comes. Ids of work are the numbers that the front end gave it.
    """

    def __init__(
        self, submitter: Submitter, audio: AudioStore, send: Callable[[bytes], None]
    ) -> None:
        self._submitter = submitter
        self._audio = audio
        self._send = send
        self._running: set[int] = set()
        self._waiting: dict[SegmentKey, dict[int, tuple[Work, int]]] = {}
        """Work, and how many samples of the segment it reads."""

    def handle(self, message: NewWork | NewAudio | CancelledWork | SegmentOver) -> None:
        """Take one message of the front end."""
        match message:
            case NewAudio():
                self._append(message)
            case NewWork():
                self._take(message)
            case CancelledWork(number=number):
                self._cancel(number)
            case SegmentOver(key=key):
                self._audio.release(key)

    def close(self) -> None:
        """The front end is gone: give up its work and forget its audio."""
        for number in list(self._running):
            self._submitter.cancel(str(number))
        self._waiting.clear()
        self._audio.clear()

    def _append(self, message: NewAudio) -> None:
        key = message.key
        self._audio.append(key, message.offset_samples, message.samples)
        for number, (work, count) in list(self._waiting.get(key, {}).items()):
            if self._start(work, number, count):
                self._forget_waiting(key, number)

    def _take(self, message: NewWork) -> None:
        """Work that makes no sense costs itself, not the connection."""
        number = message.number
        try:
            work = messages.take_work(message)
        except BrokenFrameError:
            logger.exception("work of the front end cannot be taken")
            self._fail(number, InternalError("internal error"))
            return
        if not self._start(work, number, message.sample_count) and work.audio is not None:
            self._waiting.setdefault(work.audio.key, {})[number] = work, message.sample_count
            self._send(codec.encode(AudioWanted(number)))

    def _start(self, work: Work, number: int, sample_count: int) -> bool:
        """Submit the work; False: its audio is not here."""
        if isinstance(work, RecognizeWork | AlignWork):
            samples = self._audio.get(work.segment, sample_count)
            if samples is None:
                return False
            work = messages.with_audio(work, samples)
        self._running.add(number)
        try:
            self._submitter.submit(work, lambda event: self._on_event(event, number))
        except SpeechError as error:
            self._fail(number, error)
        except Exception:
            logger.exception("work of the front end cannot be submitted")
            self._fail(number, InternalError("internal error"))
        return True

    def _fail(self, number: int, error: SpeechError) -> None:
        self._on_event(WorkFailed(str(number), error), number)

    def _on_event(self, event: WorkEvent, number: int) -> None:
        if not isinstance(event, WorkAudio):
            self._running.discard(number)
        try:
            encoded = [codec.encode(each) for each in messages.event_messages(event, number)]
        except (TypeError, ValueError, OverflowError):  # what the codec says of wrong values
            logger.exception("an outcome cannot be sent")
            self._fail(number, InternalError("internal error"))
            self._submitter.cancel(str(number))  # more of it may be to come
            return
        for message in encoded:
            self._send(message)

    def _cancel(self, number: int) -> None:
        self._submitter.cancel(str(number))
        for key, waiting in list(self._waiting.items()):
            if number in waiting:
                self._forget_waiting(key, number)
                event = WorkDropped(str(number), DropReason.CANCELLED)
                self._on_event(event, number)

    def _forget_waiting(self, key: SegmentKey, number: int) -> None:
        waiting = self._waiting.get(key, {})
        waiting.pop(number, None)
        if not waiting:
            self._waiting.pop(key, None)
