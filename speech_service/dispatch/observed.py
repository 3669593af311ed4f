"""A submitter that tells others what passes through it: what work is asked for, and what becomes of it."""

from collections.abc import Sequence

from speech_service.domain.errors import SpeechError
from speech_service.domain.work import Work, WorkEvent, WorkFailed
from speech_service.protocols import OnWorkEvent, Submitter, WorkListener


class ObservedSubmitter:
    """Implements ``Submitter`` over another one. Listeners hear of an event before the caller does."""

    def __init__(self, inner: Submitter, listeners: Sequence[WorkListener]) -> None:
        self._inner = inner
        self._listeners = tuple(listeners)

    def submit(self, work: Work, on_event: OnWorkEvent) -> None:
        """As of ``Submitter``. Work that is refused was asked for as well, and failed."""

        def heard(event: WorkEvent) -> None:
            for listener in self._listeners:
                listener.happened(work, event)
            on_event(event)

        for listener in self._listeners:
            listener.submitted(work)
        try:
            self._inner.submit(work, heard)
        except SpeechError as error:
            for listener in self._listeners:
                listener.happened(work, WorkFailed(work.work_id, error))
            raise

    def cancel(self, work_id: str) -> None:
        """As of ``Submitter``."""
        self._inner.cancel(work_id)

    def release(self, stream_id: str) -> None:
        """As of ``Submitter``."""
        self._inner.release(stream_id)
        for listener in self._listeners:
            listener.released(stream_id)
