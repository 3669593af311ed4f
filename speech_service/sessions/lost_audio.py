"""What of a session's audio could not be decoded: kept until the results are out, then told."""

from collections.abc import Iterator
from dataclasses import replace

from speech_service.domain.audio import AudioLoss, LossKind
from speech_service.domain.events import Emit, StreamWarning

MAX_WARNINGS = 32
_JOINED_MS = 100
"""Parts of one kind that are this close together are told as one."""


class LostAudio:
    """Collects losses, and says them as warnings. What ends before ``from_ms`` an earlier call has told."""

    def __init__(self, from_ms: int = 0) -> None:
        self._from_ms = from_ms
        self._losses: list[AudioLoss] = []

    def add(self, loss: AudioLoss, shift_ms: int) -> None:
        """Args:
        loss: in milliseconds of the encoded audio; the losses come in order.
        shift_ms: how much later that is in the session's audio.
        """
        end_ms = None if loss.end_ms is None else loss.end_ms + shift_ms
        if end_ms is not None and end_ms < self._from_ms:
            return
        loss = AudioLoss(loss.kind, loss.start_ms + shift_ms, end_ms)
        joined = self._joined(loss)
        if joined is None:
            self._losses.append(loss)
        else:
            self._losses[-1] = joined

    def warnings(self) -> Iterator[Emit[StreamWarning]]:
        """One for each part, in order; once."""
        losses, self._losses = self._losses, []
        for loss in losses:
            message = _sentence(loss)
            yield Emit(StreamWarning(loss.kind.value, "audio", message, loss.start_ms, loss.end_ms))

    def _joined(self, loss: AudioLoss) -> AudioLoss | None:
        """With the last one, where they are close together, or too many."""
        last = self._losses[-1] if self._losses else None
        if last is None or last.kind is not loss.kind or last.end_ms is None:
            return None
        if loss.start_ms - last.end_ms > _JOINED_MS and len(self._losses) < MAX_WARNINGS:
            return None
        return replace(last, end_ms=None if loss.end_ms is None else max(last.end_ms, loss.end_ms))


def _sentence(loss: AudioLoss) -> str:
    start = f"{loss.start_ms / 1000:.3f} s"
    if loss.kind is LossKind.TRUNCATED:
        if loss.end_ms is None:
            return f"the audio is cut off at {start}; what was there has been used"
        end = f"{loss.end_ms / 1000:.3f} s"
        return f"the audio ends at {start}, and its own header says {end}; what was there has been used"
    if loss.end_ms is None:
        return f"from {start} on the audio is damaged and cannot be decoded; what was before has been used"
    missing = f"{loss.end_ms - loss.start_ms} ms of audio at {start}"
    return (
        f"{missing} are damaged or missing; silence stands in for them, and later times are right"
    )
