"""What a channel remembers of one segment until its FINAL is sent. It holds audio for word times only."""

from dataclasses import dataclass, field

from speech_service.domain.audio import Samples, samples_to_ms
from speech_service.domain.recognition import RecognitionOptions
from speech_service.domain.transcript import EndCause, Hypothesis, ResultKind, TranscriptResult
from speech_service.sessions.recognition.stability import StablePrefix


@dataclass(slots=True)
class SegmentRecord:
    """Bookkeeping of one segment. Sample counts are from the segment's first sample."""

    segment_id: int
    channel: int
    start_sample: int
    """Position in the stream."""
    options: RecognitionOptions
    """In force when the segment opened; they hold for all of it."""
    asked_samples: int
    """Audio that the newest submitted work covers."""
    stable: StablePrefix = field(default_factory=StablePrefix)
    revision: int = 0
    shown: Hypothesis | None = None
    shown_samples: int = 0
    partials: dict[str, int] = field(default_factory=dict[str, int])
    """Partial work in flight: its id and how many samples it covers."""
    final_work: str = ""
    final_samples: int = 0
    final: Hypothesis | None = None
    final_audio: Samples | None = field(default=None, repr=False)
    cause: EndCause | None = None
    """Set once the segment is closed."""
    closed_s: float = 0.0
    is_faint: bool = False
    """What was heard of it, up to its end once it is closed, may be no voice."""

    def partial(self, hypothesis: Hypothesis, stable: int, samples: int) -> TranscriptResult:
        """The next version of the segment, which covers its first ``samples``."""
        return self._result(ResultKind.PARTIAL, hypothesis, stable, samples, None)

    def final_result(self, final: Hypothesis, lag_ms: float) -> TranscriptResult:
        """The last version of the segment."""
        length = len(final.text)
        return self._result(ResultKind.FINAL, final, length, self.final_samples, lag_ms)

    def _result(
        self,
        kind: ResultKind,
        hypothesis: Hypothesis,
        stable: int,
        samples: int,
        lag_ms: float | None,
    ) -> TranscriptResult:
        self.revision += 1
        return TranscriptResult(
            segment_id=self.segment_id,
            channel=self.channel,
            revision=self.revision,
            kind=kind,
            text=hypothesis.text,
            stable_char_count=stable,
            start_ms=samples_to_ms(self.start_sample),
            end_ms=samples_to_ms(self.start_sample + samples),
            language=hypothesis.language,
            confidence=hypothesis.confidence,
            end_cause=self.cause,
            lag_ms=lag_ms,
            repairs=hypothesis.repairs,
        )
