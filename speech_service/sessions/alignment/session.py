"""The alignment session: text and audio come in any order and measure; units leave once their place is settled.

One window of audio is on the device at a time, with the text that may be spoken in it. What was placed well before
the end of the window is settled, and the next window starts behind it; the words near the end wait for more audio,
unless no more comes (``finalize``, ``end_of_input``). Whatever is settled is sent once and never again.

States: RUNNING --end_of_input--> ENDING --everything settled--> DONE; any --failure--> DONE.
"""

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from speech_service.domain.alignment import Alignment, AlignmentOptions, Granularity
from speech_service.domain.audio import (
    AudioLoss,
    Samples,
    check_session_length,
    ms_to_samples,
    samples_to_ms,
)
from speech_service.domain.errors import (
    LimitExceededError,
    SpeechError,
    UnavailableError,
    UnexpectedInputError,
    too_many_characters,
)
from speech_service.domain.events import (
    AlignedUnits,
    Cancel,
    ControlAck,
    ControlKind,
    Emit,
    Finish,
    GoingAway,
    Progress,
    SessionEnded,
    SessionStarted,
    StreamWarning,
    Submit,
    Usage,
)
from speech_service.domain.recognition import Pacing
from speech_service.domain.resume import BEGINNING, ResumePoint
from speech_service.domain.work import (
    AlignWork,
    SegmentKey,
    WorkClass,
    WorkDone,
    WorkEvent,
    WorkFailed,
)
from speech_service.sessions.alignment.events import AlignmentAction, AlignmentEvent
from speech_service.sessions.alignment.settle import (
    BACK_MS,
    Settled,
    Window,
    is_speakable,
    rest_of_text,
    settle,
    usable_text,
)
from speech_service.sessions.latency import LatencyMeter
from speech_service.sessions.lost_audio import LostAudio

MAX_TEXT_CHARACTERS = 1_000_000
"""Text that may wait for its audio."""
MAX_OPEN_CONTROLS = 1024
_MS_PER_CHARACTER = 60
"""Speech takes about this long per character; weighs new text against new audio."""
MAX_WAITING_MS = 600_000
"""Audio that waits for text longer than this is reported as not in the text."""


@dataclass(frozen=True, slots=True)
class AlignmentPace:
    """How much audio goes to the device at once."""

    step_ms: int
    """New audio after which a window is due."""
    window_ms: int
    """Longest window."""


PACES = {
    Pacing.REALTIME: AlignmentPace(step_ms=2_000, window_ms=30_000),
    Pacing.FILE: AlignmentPace(step_ms=20_000, window_ms=60_000),
}
WHOLE = AlignmentPace(step_ms=600_000, window_ms=600_000)
"""Of unary calls: the engine sees ten minutes at once."""


class _AlignmentState(Enum):
    RUNNING = "running"
    ENDING = "ending"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class AlignmentIdentity:
    """Who the session is and how its work is to be treated."""

    session_id: str
    work_class: WorkClass = WorkClass.STREAM_PARTIAL
    final_class: WorkClass = WorkClass.STREAM_FINAL
    """Of windows that a client waits for: after ``finalize`` and at the end."""
    deadline_s: float | None = None
    bulk_over_ms: int | None = None
    """A window of more audio is BACKGROUND work; None: none is for its length."""


@dataclass(frozen=True, slots=True)
class _Flush:
    control_id: str
    sample: int
    """Everything before this position must be settled before the ack."""
    asked_s: float
    error: SpeechError | None = None
    """Why it is not carried out; then nothing needs to be settled for it."""


class AlignmentSession:
    """One text and one channel of audio. Every method returns the actions to carry out, in order."""

    def __init__(
        self,
        identity: AlignmentIdentity,
        options: AlignmentOptions,
        clock: Callable[[], float],
        pace: AlignmentPace | None = None,
        resume: ResumePoint = BEGINNING,
    ) -> None:
        self._identity = identity
        self._options = options
        self._clock = clock
        self._pace = pace or PACES[options.pacing]
        self._state = _AlignmentState.RUNNING
        self._latency = LatencyMeter(clock)
        self._work_ids = itertools.count(1)
        self._text, self._text_base, self._text_complete = "", resume.from_char, False
        self._blocks: list[Samples] = []
        self._resume = resume
        self._received = self._decoded = ms_to_samples(resume.audio_from_ms)
        from_ms = max(resume.audio_from_ms, resume.from_ms - BACK_MS)
        self._base = self._asked_to = ms_to_samples(from_ms)
        """Position of the first sample that is not settled; a whole millisecond."""
        self._asked_text = resume.from_char
        self._sent_ms = resume.from_ms
        """End of the newest unit."""
        self._window: Window | None = None
        self._flushes: deque[_Flush] = deque()
        self._ended_s = 0.0
        self._speech_ms = 0
        self._lost = LostAudio(resume.from_ms)

    # --- what the driver may ask ---

    @property
    def undecoded_ms(self) -> int:
        """Audio that came since the device got its window. Audio that waits for text is not counted."""
        return 0 if self._window is None else samples_to_ms(self._received - self._window.end)

    @property
    def options(self) -> AlignmentOptions:
        """The options in force."""
        return self._options

    @property
    def wake_at_s(self) -> float | None:
        """Never: only audio and text move it on."""
        return None

    # --- from the client ---

    def start(self) -> list[AlignmentAction]:
        """Open the session."""
        return [Emit(SessionStarted(self._identity.session_id))]

    def text(self, piece: str, end_of_text: bool) -> list[AlignmentAction]:
        """Take a piece of the text.

        Raises:
            InvalidOptionError: after ``end_of_text`` or ``end_of_input``.
            LimitExceededError: too much text waits for its audio.
        """
        if self._state is _AlignmentState.DONE:
            return []
        self._ready("text")
        if self._text_complete and piece:
            problem, allowed = "came after end_of_text", "nothing after end_of_text"
            raise UnexpectedInputError("text", problem, allowed)
        if len(self._text) + len(piece) > MAX_TEXT_CHARACTERS:
            length = len(self._text) + len(piece)
            problem = too_many_characters(length, "an alignment", "align the rest in another")
            raise LimitExceededError("text", "max_text_characters", MAX_TEXT_CHARACTERS, problem)
        if piece:
            self._latency.speech_began(self._clock())
        self._text += piece
        self._text_complete |= end_of_text
        return self._advance()

    def audio(self, samples: Samples) -> list[AlignmentAction]:
        """Take audio: float32 [n, 1] at 16 kHz.

        Raises:
            InvalidOptionError: after ``end_of_input``.
        """
        if self._state is _AlignmentState.DONE:
            return []
        self._ready("audio")
        check_session_length(self._received + len(samples), "audio")
        known = max(
            0, self._base - self._received
        )  # settled by the call that this one goes on with
        self._received += len(samples)
        if known:
            samples = samples[known:]
            self._decoded = min(self._received, self._base)
        if len(samples):
            self._blocks.append(np.ascontiguousarray(samples[:, 0]))
        return self._advance()

    def catch_up(self) -> list[AlignmentAction]:
        """All audio is heard as it comes."""
        return []

    def finalize(self, control_id: str) -> list[AlignmentAction]:
        """Align the audio that came so far to its end. Text without audio goes on waiting for it."""
        if self._state is _AlignmentState.DONE:
            return []
        self._ready("finalize")
        return self._acknowledge(_Flush(control_id, self._received, self._clock()))

    def refuse(
        self, kind: ControlKind, control_id: str, error: SpeechError, context_id: str = ""
    ) -> list[AlignmentAction]:
        """Acknowledge, in its turn, a control message that is not carried out."""
        del context_id
        assert kind is ControlKind.FINALIZE, "alignment has no other control message"
        if self._state is _AlignmentState.DONE:
            return []
        self._ready("finalize")
        return self._acknowledge(_Flush(control_id, self._base, self._clock(), error))

    def end_of_input(self) -> list[AlignmentAction]:
        """Nothing more comes: align the rest, then end. Saying it twice is harmless."""
        if self._state is not _AlignmentState.RUNNING:
            return []
        self._state, self._text_complete, self._ended_s = (
            _AlignmentState.ENDING,
            True,
            self._clock(),
        )
        return self._advance()

    # --- from the driver ---

    def work_event(self, event: WorkEvent) -> list[AlignmentAction]:
        """The outcome of the window on the device."""
        window = self._window
        if self._state is _AlignmentState.DONE or window is None or event.work_id != window.work_id:
            return []
        self._window = None
        if not isinstance(event, WorkDone):
            return self.fail(event.error if isinstance(event, WorkFailed) else _lost())
        assert isinstance(event.outcome, Alignment), "alignment was asked for"
        self._latency.work_done(event.timing)
        self._decoded = max(self._decoded, window.end)
        settled = settle(window, event.outcome, self._sent_ms)
        return [*self._take(settled), *self._advance()]

    def wake(self) -> list[AlignmentAction]:
        """Never asked for."""
        return []

    def tick(self) -> list[AlignmentAction]:
        """Time passed: report progress."""
        return self._tell(self.progress())

    def warn(self, warning: StreamWarning) -> list[AlignmentAction]:
        """Tell the client something that is no error."""
        return self._tell(warning)

    def lost(self, loss: AudioLoss, passed_ms: int) -> None:
        """As of ``RecognitionSession``: told once everything is aligned."""
        self._lost.add(loss, samples_to_ms(self._received) - passed_ms)

    def going_away(self, drain_ms: int) -> list[AlignmentAction]:
        """The server drains: what was received is still aligned."""
        return self._tell(GoingAway(drain_ms))

    def last_words(self) -> list[AlignmentAction]:
        """Nothing: one window is on the device at a time, and what is certain of it left at once."""
        return []

    def fail(self, error: SpeechError) -> list[AlignmentAction]:
        """End with an error; the work is given up."""
        if self._state is _AlignmentState.DONE:
            return []
        self._state = _AlignmentState.DONE
        self._flushes.clear()
        cancel = [Cancel(self._window.work_id)] if self._window else []
        return [*cancel, Finish(error)]

    def progress(self) -> Progress:
        """The cursors now."""
        return Progress(
            received_ms=samples_to_ms(self._received),
            decoded_ms=samples_to_ms(self._decoded),
            final_ms=samples_to_ms(self._base),
            lag_ms=samples_to_ms(self._received - self._decoded),
        )

    def ended(self) -> SessionEnded:
        """Usage and latency so far, of this call."""
        resume = self._resume
        usage = Usage(
            audio_in_ms=samples_to_ms(self._received) - resume.audio_from_ms,
            speech_ms=self._speech_ms,
            characters_in=self._text_base + len(self._text) - resume.from_char,
        )
        return SessionEnded(usage, self._latency.summary())

    # --- windows ---

    def _advance(self) -> list[AlignmentAction]:
        """Acks that are due, then the next window, or the end."""
        actions: list[AlignmentAction] = []
        while self._flushes and self._base >= self._flushes[0].sample:
            flush = self._flushes.popleft()
            if flush.error is None:
                self._latency.final_sent((self._clock() - flush.asked_s) * 1000)
            ack = ControlAck(flush.control_id, ControlKind.FINALIZE, error=flush.error)
            actions.append(Emit(ack))
        if self._window is not None:
            return actions
        window = self._next_window()
        if window is not None:
            self._window, self._asked_to = window, window.end
            self._asked_text = window.text_base + len(window.text)
            return [*actions, Submit(self._work(window))]
        if self._state is _AlignmentState.ENDING:
            return [*actions, *self._end()]
        return actions

    def _next_window(self) -> Window | None:
        """The window that is due, if one is."""
        target = self._flushes[0].sample if self._flushes else self._received
        wanted = bool(self._flushes) or self._state is _AlignmentState.ENDING
        held = target - self._base
        if held <= 0 or not (wanted or self._is_due()):
            return None
        length = min(held, self._pace.window_ms * 16)
        text, complete = self._text_for(length, wanted)
        last = wanted and length == held
        return Window(
            work_id=f"{self._identity.session_id}:{next(self._work_ids)}",
            start=self._base,
            end=self._base + length,
            text=text,
            text_base=self._text_base,
            audio_ends=last,
            text_ends=last and not self._flushes and complete,
            full=length < held or length >= self._pace.window_ms * 16,
        )

    def _acknowledge(self, flush: _Flush) -> list[AlignmentAction]:
        if len(self._flushes) >= MAX_OPEN_CONTROLS:
            raise LimitExceededError("control_id", "max_open_controls", MAX_OPEN_CONTROLS)
        self._flushes.append(flush)
        return self._advance()

    def _is_due(self) -> bool:
        """Whether enough audio or text came since the last window. The longer it is, the rarer it is tried again."""
        held = samples_to_ms(self._received - self._base)
        fresh = samples_to_ms(self._received - max(self._asked_to, self._base))
        more_text = self._text_base + len(self._text) - self._asked_text
        fresh = max(fresh, min(held, more_text * _MS_PER_CHARACTER))
        if is_speakable(self._text, self._text_base):
            return fresh >= max(self._pace.step_ms, held // 4) or held >= self._pace.window_ms
        return held >= (self._pace.window_ms if self._text_complete else MAX_WAITING_MS)

    def _text_for(self, length: int, wanted: bool) -> tuple[str, bool]:
        """The text that may be spoken in so much audio, and whether it is all that there is."""
        if not is_speakable(self._text, self._text_base):
            return "", True
        text = usable_text(self._text, length, whole_words=not (self._text_complete or wanted))
        return text, len(text) == len(self._text)

    def _work(self, window: Window) -> AlignWork:
        held = np.concatenate(self._blocks) if len(self._blocks) > 1 else self._blocks[0]
        self._blocks = [held]
        return AlignWork(
            work_id=window.work_id,
            stream_id=self._identity.session_id,
            work_class=self._class_of(window),
            model=self._options.model,
            deadline_s=self._identity.deadline_s,
            segment=SegmentKey(self._identity.session_id, 0, int(window.work_id.split(":")[-1])),
            samples=held[: window.end - window.start],
            text=window.text,
            language=self._options.language,
            granularity=self._options.granularity,
        )

    def _class_of(self, window: Window) -> WorkClass:
        identity = self._identity
        length_ms = samples_to_ms(window.end - window.start)
        if identity.bulk_over_ms is not None and length_ms > identity.bulk_over_ms:
            return WorkClass.BACKGROUND
        return identity.final_class if window.audio_ends else identity.work_class

    def _take(self, settled: Settled) -> list[AlignmentAction]:
        """Send what is settled and let its audio and text go."""
        actions: list[AlignmentAction] = [Emit(span) for span in settled.spans_before]
        if settled.units:
            self._latency.result_sent(self._clock())
            self._sent_ms = settled.units[-1].end_ms
            for unit in settled.units:
                if unit.granularity is not Granularity.PHONE:
                    self._speech_ms += unit.end_ms - unit.start_ms
                    self._sent_ms = unit.end_ms
            actions.append(Emit(AlignedUnits(settled.units)))
        actions += [Emit(span) for span in settled.spans]
        self._text = self._text[settled.characters :]
        self._text_base += settled.characters
        if settled.samples:
            self._blocks = [self._blocks[0][settled.samples :], *self._blocks[1:]]
            self._base += settled.samples
        return actions

    def _end(self) -> list[AlignmentAction]:
        """Everything is settled but text that was never spoken."""
        self._state = _AlignmentState.DONE
        at_ms = samples_to_ms(self._received)
        rest = rest_of_text(self._text, self._text_base, min(self._sent_ms, at_ms), at_ms)
        self._latency.final_sent((self._clock() - self._ended_s) * 1000)
        spans = [Emit(span) for span in rest]
        return [*spans, *self._lost.warnings(), Emit(self.ended()), Finish()]

    # --- order ---

    def _ready(self, kind: str) -> None:
        if self._state is not _AlignmentState.RUNNING:
            problem, allowed = "came after end_of_input", "nothing after end_of_input"
            raise UnexpectedInputError(kind, problem, allowed)

    def _tell(self, event: AlignmentEvent) -> list[AlignmentAction]:
        return [] if self._state is _AlignmentState.DONE else [Emit(event)]


def _lost() -> SpeechError:
    return UnavailableError("the work of an alignment was lost; retry", reason="WORK_LOST")
