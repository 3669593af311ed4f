"""An engine made of generators: each admitted item is one, and a step advances every one of them once.

It suits backends that work piece by piece on the CPU or wait for another server: the generator yields after each
piece, and abort closes it. Work that fails fails alone.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence

from speech_service.domain.errors import InternalError, SpeechError
from speech_service.domain.models import ModelCapabilities
from speech_service.domain.work import (
    Outcome,
    Work,
    WorkAudio,
    WorkDone,
    WorkEvent,
    WorkFailed,
    WorkTiming,
)

logger = logging.getLogger(__name__)

Piece = WorkAudio | Outcome | None
"""What a generator yields: a piece of speech, the outcome (nothing may follow), or None (not done yet)."""

Run = Callable[[Work], Iterator[Piece]]


class SteppingEngine:
    """Implements ``protocols.Engine`` over ``run``, which starts the generator of one work item."""

    def __init__(self, capabilities: ModelCapabilities, run: Run) -> None:
        self._capabilities = capabilities
        self._run = run
        self._items: dict[str, tuple[Iterator[Piece], float]] = {}

    @property
    def capabilities(self) -> ModelCapabilities:
        """Declared by the backend."""
        return self._capabilities

    def admit(self, work: Work) -> None:
        """Take work in; nothing is computed yet."""
        self._items[work.work_id] = (self._run(work), time.monotonic())

    def step(self) -> Sequence[WorkEvent]:
        """Advance every item by one piece."""
        events: list[WorkEvent] = []
        for work_id, (pieces, started_s) in list(self._items.items()):
            event = self._advance(work_id, pieces, started_s)
            if event is not None:
                events.append(event)
            if event is not None and not isinstance(event, WorkAudio):
                self.abort(work_id)
        return events

    def abort(self, work_id: str) -> None:
        """Forget the item and close its generator."""
        item = self._items.pop(work_id, None)
        close = getattr(item[0], "close", None) if item else None
        if close is not None:
            close()

    def _advance(self, work_id: str, pieces: Iterator[Piece], started_s: float) -> WorkEvent | None:
        try:
            piece = next(pieces)
        except StopIteration:
            return WorkFailed(work_id, InternalError("internal error"))
        except SpeechError as error:
            return WorkFailed(work_id, error)
        except Exception:
            logger.exception("model %s failed on one item", self._capabilities.name)
            return WorkFailed(work_id, InternalError("internal error"))
        if piece is None or isinstance(piece, WorkAudio):
            return piece
        timing = WorkTiming(decode_ms=(time.monotonic() - started_s) * 1000, decode_steps=1)
        return WorkDone(work_id, piece, timing)
