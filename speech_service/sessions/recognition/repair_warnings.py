"""What a client is told of the repairs to a FINAL."""

from speech_service.domain.events import StreamWarning
from speech_service.domain.transcript import RepairKind, TranscriptResult

_REASONS = {
    RepairKind.REPETITION: (
        "REPETITION_REPAIRED",
        "the model repeated itself without hearing it; its text was repaired",
    ),
    RepairKind.UNDECODED: (
        "SPEECH_NOT_DECODED",
        "the model repeated itself and could not be brought back to the audio; words may be missing",
    ),
}
"""Noise is left out: nothing that was said is lost with it."""


def repair_warnings(final: TranscriptResult) -> list[StreamWarning]:
    """One for each repair, with its time in the audio of the session."""
    warnings: list[StreamWarning] = []
    for repair in final.repairs:
        if repair.kind not in _REASONS:
            continue
        reason, what = _REASONS[repair.kind]
        start_ms, end_ms = final.start_ms + repair.start_ms, final.start_ms + repair.end_ms
        message = f"segment {final.segment_id}, {start_ms} to {end_ms} ms: {what}"
        warnings.append(StreamWarning(reason, "", message, start_ms, end_ms))
    return warnings
