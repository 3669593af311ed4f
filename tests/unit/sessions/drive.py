"""Drives a RecognitionSession by hand.

The audio tells its own place: sample ``i`` of a channel has the value ``i + 1`` (float32 holds it exactly up to
2**24), silence messages are zeros. So every work item shows where its audio comes from.
"""

import numpy as np

from speech_service.domain.audio import ms_to_samples
from speech_service.domain.errors import SpeechError
from speech_service.domain.events import (
    ControlKind,
)
from speech_service.domain.recognition import RecognitionOptions
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import (
    DropReason,
    RecognizeKind,
    RecognizeWork,
    WorkDone,
    WorkDropped,
    WorkEvent,
    WorkFailed,
    WorkTiming,
)
from tests.unit.sessions.checked_session import QUIET, SPEECH, CheckedSession


class Drive(CheckedSession):
    """A session between a scripted client, a scripted VAD and a scripted device."""

    # --- the client ---

    def audio(self, samples: int) -> "Drive":
        """Send audio on all channels; the VAD script says what it is."""
        first = self.position + 1
        block = np.arange(first, first + samples, dtype=np.float32)
        for channel in range(self.channels):
            self.sent[channel] = np.concatenate([self.sent[channel], block])
        self.perform(self.session.audio(np.tile(block[:, None], (1, self.channels))))
        return self

    def say(self, ms: float, step_ms: float = 100) -> "Drive":
        """Speech on all channels, in messages of ``step_ms``."""
        return self.speak(ms, step_ms, SPEECH)

    def quiet(self, ms: float, step_ms: float = 100) -> "Drive":
        """Audio without speech."""
        return self.speak(ms, step_ms, QUIET)

    def silence(self, ms: float) -> "Drive":
        """A silence message."""
        zeros = np.zeros(ms_to_samples(ms), np.float32)
        self.sent = [np.concatenate([sent, zeros]) for sent in self.sent]
        self.perform(self.session.catch_up())
        self.perform(self.session.silence(ms))
        return self

    def finalize(self, control_id: str = "f") -> "Drive":
        """A finalize message."""
        self._control(control_id, ControlKind.FINALIZE, self.session.finalize)
        return self

    def reset(self, control_id: str = "r", keep_context: bool = True) -> "Drive":
        """A reset message."""
        self.resets.append(self.position)
        self._control(
            control_id, ControlKind.RESET, lambda name: self.session.reset(name, keep_context)
        )
        return self

    def update(self, options: RecognitionOptions, control_id: str = "u") -> "Drive":
        """An update_config message."""
        self._control(
            control_id,
            ControlKind.UPDATE_CONFIG,
            lambda name: self.session.update(options, name),
        )
        return self

    def end(self) -> "Drive":
        """The end_of_audio message."""
        self.perform(self.session.catch_up())
        self.perform(self.session.end_of_input())
        return self

    def tick(self) -> "Drive":
        """The heartbeat is due."""
        self.perform(self.session.tick())
        return self

    # --- the device ---

    def the(self, kind: RecognizeKind) -> RecognizeWork:
        """The one such work item that waits."""
        (work,) = self.waiting(kind)
        return work

    def done(self, work: RecognizeWork, text: str, tokens: tuple[int, ...] = ()) -> "Drive":
        """The device finished the work."""
        hypothesis = Hypothesis(text, tokens or tuple(range(len(text.split()))), "en")
        self.segments[work.segment.segment_id].tokens.append(hypothesis.tokens)
        self.answers[work.work_id] = text
        timing = WorkTiming(queue_ms=1, encode_ms=2, decode_ms=4, decode_steps=3)
        return self.outcome(WorkDone(work.work_id, hypothesis, timing))

    def failed(self, work: RecognizeWork, error: SpeechError) -> "Drive":
        """The work failed."""
        return self.outcome(WorkFailed(work.work_id, error))

    def dropped(self, work: RecognizeWork, reason: DropReason = DropReason.SUPERSEDED) -> "Drive":
        """The work was given up."""
        return self.outcome(WorkDropped(work.work_id, reason))

    def outcome(self, event: WorkEvent) -> "Drive":
        """Report the outcome of work."""
        self.in_flight.pop(event.work_id, None)
        self.perform(self.session.work_event(event))
        return self

    def answer_all(self, text: str = "text") -> "Drive":
        """Finish all work that waits, oldest first."""
        while self.in_flight:
            self.done(next(iter(self.in_flight.values())), text)
        return self

    def speak(self, ms: float, step_ms: float, score: float) -> "Drive":
        self.hears(lambda _, frames: [score] * len(frames))
        left = ms_to_samples(ms)
        while left:
            step = min(left, ms_to_samples(step_ms))
            self.now_s += step / 16_000
            self.audio(step)
            left -= step
        return self
