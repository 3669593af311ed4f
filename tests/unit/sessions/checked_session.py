"""Carries out what a RecognitionSession asks for and checks every action: the invariants of DESIGN §10."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from speech_service.domain.audio import Samples, ms_to_samples
from speech_service.domain.events import (
    Cancel,
    ControlAck,
    ControlKind,
    Detect,
    Emit,
    Finish,
    Progress,
    SessionEnded,
    SpeechEvent,
    Submit,
)
from speech_service.domain.recognition import Endpointing, RecognitionOptions
from speech_service.domain.transcript import ResultKind, TranscriptResult
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    WorkClass,
)
from speech_service.sessions.recognition.events import RecognitionEvent, RecognitionStep
from speech_service.sessions.recognition.session import (
    RecognitionSession,
    SessionIdentity,
    SessionLimits,
)

SPEECH, QUIET = 0.95, 0.02
FRAME = 512
ENDPOINTING = Endpointing(
    min_speech_ms=96,
    end_silence_ms=600,
    max_segment_ms=4_000,
    soft_segment_ms=3_000,
    padding_ms=300,
)
OPTIONS = RecognitionOptions(model="scripted", language="en", endpointing=ENDPOINTING)

VadScript = Callable[[int, Samples], Sequence[float]]


@dataclass
class SegmentSeen:
    """What the client's and the device's side know of one segment."""

    channel: int
    works: list[RecognizeWork] = field(default_factory=list[RecognizeWork])
    tokens: list[tuple[int, ...]] = field(default_factory=lambda: [()])
    results: list[TranscriptResult] = field(default_factory=list[TranscriptResult])
    dropped: bool = False
    """A reset took it."""
    perhaps_dropped: bool = False
    """A reset took it, or its FINAL waits for an older one: that cannot be seen from outside."""

    @property
    def due(self) -> bool:
        """A FINAL must still come."""
        return not (self.final or self.dropped or self.perhaps_dropped)

    @property
    def final(self) -> TranscriptResult | None:
        """The FINAL, once it was sent."""
        last = self.results[-1] if self.results else None
        return last if last is not None and last.kind is ResultKind.FINAL else None


class CheckedSession:
    """A session whose every action is carried out, remembered and checked."""

    def __init__(
        self,
        options: RecognitionOptions = OPTIONS,
        channels: int = 1,
        limits: SessionLimits | None = None,
        unary: bool = False,
    ) -> None:
        self.now_s = 0.0
        final, partial = WorkClass.STREAM_FINAL, WorkClass.STREAM_PARTIAL
        identity = SessionIdentity("s", WorkClass.UNARY, WorkClass.UNARY) if unary else None
        self.identity = identity or SessionIdentity("s", final, partial, "00-tp", 99.0)
        self.session = RecognitionSession(self.identity, options, lambda: self.now_s, limits)
        self.channels = channels
        self._vad: VadScript = lambda _, frames: [SPEECH] * len(frames)
        self.sent = [np.zeros(0, np.float32) for _ in range(channels)]
        """All audio of each channel, silence messages included."""
        self.voiced: list[list[tuple[int, int]]] = [[] for _ in range(channels)]
        """Runs of frames that the VAD called speech, between two control messages."""
        self.resets: list[int] = []
        self.events: list[RecognitionEvent] = []
        self.in_flight: dict[str, RecognizeWork] = {}
        self.cancelled: list[RecognizeWork] = []
        self.answers: dict[str, str] = {}
        """Texts that the device gave."""
        self.segments: dict[int, SegmentSeen] = {}
        self.controls: list[tuple[str, ControlKind]] = []
        """Control messages that wait for their ack, oldest first."""
        self.needed: dict[str, set[int]] = {}
        """Segments whose FINAL an ack must follow."""
        self.finish: Finish | None = None
        self.claimed = Progress(0, 0, 0, 0)
        self.perform(self.session.start())

    def hears(self, script: VadScript) -> None:
        """What voice activity detection says of audio that is sent from now on."""
        self.perform(self.session.catch_up())
        self._vad = script

    @property
    def position(self) -> int:
        """Samples sent so far."""
        return len(self.sent[0])

    def waiting(self, kind: RecognizeKind | None = None) -> list[RecognizeWork]:
        """RecognizeWork that was neither answered nor cancelled, oldest first."""
        return [w for w in self.in_flight.values() if kind in (None, w.kind)]

    # --- what came back ---

    @property
    def results(self) -> list[TranscriptResult]:
        """All results sent."""
        return [event for event in self.events if isinstance(event, TranscriptResult)]

    @property
    def finals(self) -> list[TranscriptResult]:
        """All FINALs sent."""
        return [result for result in self.results if result.kind is ResultKind.FINAL]

    @property
    def partials(self) -> list[TranscriptResult]:
        """All PARTIALs sent."""
        return [result for result in self.results if result.kind is ResultKind.PARTIAL]

    @property
    def acks(self) -> list[str]:
        """Ids of all acks sent."""
        return [event.control_id for event in self.events if isinstance(event, ControlAck)]

    @property
    def speech_events(self) -> list[SpeechEvent]:
        """All speech events sent."""
        return [event for event in self.events if isinstance(event, SpeechEvent)]

    @property
    def ended(self) -> SessionEnded:
        """The summary."""
        (summary,) = (event for event in self.events if isinstance(event, SessionEnded))
        return summary

    def intervals(self, channel: int) -> list[tuple[int, int]]:
        """Samples [start, end) of the channel's FINALs, in the order sent."""
        found: list[tuple[int, int]] = []
        for result in self.finals:
            if result.channel == channel:
                works = self.segments[result.segment_id].works
                final = next(w for w in reversed(works) if w.kind is RecognizeKind.FINAL)
                after = found[-1][1] if found else 0
                start = self._start(channel, final, result.start_ms, after)
                found.append((start, start + len(final.samples)))
        return found

    # --- carrying out ---

    def perform(self, actions: Sequence[RecognitionStep]) -> None:
        """Carry out and check ``actions``, answering each Detect in place."""
        for action in actions:
            assert self.finish is None, f"{action} after Finish"
            match action:
                case Detect(channel, frames):
                    scores = self._vad(channel, frames)
                    self._note_voiced(channel, frames, scores)
                    self.perform(self.session.probabilities(np.asarray(scores, np.float32)))
                case Submit(work):
                    assert isinstance(work, RecognizeWork)
                    self._submitted(work)
                case Cancel(work_id):
                    self.cancelled.append(self.in_flight.pop(work_id))
                case Emit(event):
                    self._emitted(event)
                case Finish():
                    self._finished(action)

    def _control(
        self, control_id: str, kind: ControlKind, send: Callable[[str], Sequence[RecognitionStep]]
    ) -> None:
        self.perform(self.session.catch_up())
        name = f"{control_id}{len(self.needed)}" if control_id in self.needed else control_id
        self.controls.append((name, kind))
        before = {s for s, seen in self.segments.items() if seen.due}
        actions = send(name)
        self.needed[name] = before if kind is ControlKind.FINALIZE else set()
        if kind is ControlKind.RESET:
            self._note_reset(before, actions)
        elif kind is ControlKind.FINALIZE:
            new = {
                a.work.segment.segment_id
                for a in actions
                if isinstance(a, Submit) and isinstance(a.work, RecognizeWork)
            }
            self.needed[name] |= new
        self.perform(actions)
        for runs in self.voiced:
            runs.append((-1, -1))  # a run does not go on past a control message

    def _note_reset(self, before: set[int], actions: Sequence[RecognitionStep]) -> None:
        """The open segments are gone; the FINALs of closed ones are still due."""
        gone = {action.work_id for action in actions if isinstance(action, Cancel)}
        due = {
            w.segment.segment_id for w in self.waiting(RecognizeKind.FINAL) if w.work_id not in gone
        }
        for segment_id in before - due:
            seen = self.segments[segment_id]
            newest = seen.works[-1]
            answered = newest.kind is RecognizeKind.FINAL and newest.work_id not in gone
            seen.dropped, seen.perhaps_dropped = not answered, answered

    def _note_voiced(self, channel: int, frames: Samples, scores: Sequence[float]) -> None:
        for frame, score in zip(frames, scores, strict=True):
            if score < 0.5:
                continue
            start = int(frame[0]) - 1 if frame[0] else -1
            if start < 0:  # begins in a silence message: its place is not written in it
                self.voiced[channel].append((-1, -1))
                continue
            runs = self.voiced[channel]
            if runs and runs[-1][1] == start:
                runs[-1] = (runs[-1][0], start + FRAME)
            else:
                runs.append((start, start + FRAME))

    # --- checks ---

    def _submitted(self, work: RecognizeWork) -> None:
        assert work.work_id not in self.in_flight
        key = work.segment
        seen = self.segments.setdefault(key.segment_id, SegmentSeen(key.channel))
        assert key.stream_id == "s"
        assert key.channel == seen.channel
        assert seen.final is None, "work for a segment that is final"
        assert len(work.samples) > 0
        assert work.deadline_s == self.identity.deadline_s
        assert work.draft_tokens in seen.tokens, "a draft is an earlier hypothesis"
        if work.kind is RecognizeKind.FINAL:
            assert work.work_class is self.identity.final_class
        else:
            assert work.work_class is self.identity.partial_class
        for other in seen.works:
            shorter, longer = sorted((other.samples, work.samples), key=len)
            assert np.array_equal(shorter, longer[: len(shorter)]), "work of a segment extends"
        seen.works.append(work)
        self.in_flight[work.work_id] = work

    def _emitted(self, event: RecognitionEvent) -> None:
        assert not any(isinstance(e, SessionEnded) for e in self.events), "after SessionEnded"
        match event:
            case TranscriptResult():
                self._result(event)
            case ControlAck():
                self._acked(event)
            case Progress():
                self._progress(event)
            case SessionEnded():
                assert not self.in_flight, "work is left over"
                assert not self.controls, "an ack is missing"
            case _:
                pass
        self.events.append(event)

    def _result(self, result: TranscriptResult) -> None:
        seen = self.segments[result.segment_id]
        assert not seen.dropped, "a result of a dropped segment"
        assert seen.final is None, "a result after the FINAL"
        assert result.channel == seen.channel
        assert 0 <= result.stable_char_count <= len(result.text)
        assert result.start_ms <= result.end_ms  # equal where a client finalizes a few samples
        assert result.end_ms * 16 <= self.position
        if seen.results:
            last = seen.results[-1]
            assert result.revision == last.revision + 1
            assert result.start_ms == last.start_ms
        else:
            assert result.revision == 1
        if result.kind is ResultKind.FINAL:
            assert result.end_cause is not None
            final = next(w for w in reversed(seen.works) if w.kind is RecognizeKind.FINAL)
            assert result.text == self.answers[final.work_id], "the FINAL is the newest one's text"
            assert result.stable_char_count == len(result.text)
            assert result.start_ms >= self.claimed.final_ms, "the final cursor promised too much"
            before = [f for f in self.finals if f.channel == result.channel]
            assert all(f.segment_id < result.segment_id for f in before), "FINALs out of order"
        else:
            assert result.end_cause is None
            assert result.text
            for old in seen.results:
                assert old.end_ms < result.end_ms, "an older partial after a newer one"
                prefix = old.text[: old.stable_char_count]
                assert result.text.startswith(prefix), "the stable prefix changed"
                assert result.stable_char_count >= old.stable_char_count, "... or shrank"
        seen.results.append(result)

    def _acked(self, ack: ControlAck) -> None:
        name, kind = self.controls.pop(0)
        assert (ack.control_id, ack.kind) == (name, kind), "acks in order"
        open_finals = [s for s in self.needed[name] if self.segments[s].final is None]
        assert not open_finals, f"ack {name} before the FINALs of {open_finals}"
        sent = max((f.segment_id for f in self.finals), default=None)
        assert ack.last_final_segment == sent

    def _progress(self, now: Progress) -> None:
        assert now.received_ms == self.position // 16
        assert now.received_ms >= now.decoded_ms >= self.claimed.decoded_ms
        assert now.decoded_ms >= now.final_ms >= self.claimed.final_ms
        assert abs(now.received_ms - now.decoded_ms - now.lag_ms) <= 1
        self.claimed = now

    def _finished(self, finish: Finish) -> None:
        self.finish = finish
        assert self.session.done
        assert not self.in_flight, "work is left uncancelled"
        ended = [e for e in self.events if isinstance(e, SessionEnded)]
        assert len(ended) == (finish.error is None)
        if finish.error is None:
            self._check_accounts()

    def _check_accounts(self) -> None:
        """Every sample is in a FINAL, in a dropped segment or in silence."""
        unfinished = [s for s, seen in self.segments.items() if seen.due]
        assert not unfinished, f"segments {unfinished} have no FINAL"
        progress = self.session.progress()
        assert progress.final_ms == progress.received_ms == self.position // 16
        for channel in range(self.channels):
            intervals = self.intervals(channel)
            for (_, end), (start, _) in itertools.pairwise(intervals):
                assert end <= start, "segments overlap"
            for run in self.voiced[channel]:
                if run[1] - run[0] >= ms_to_samples(96):
                    self._check_covered(run, intervals)

    def _check_covered(self, run: tuple[int, int], intervals: list[tuple[int, int]]) -> None:
        covered = np.zeros(run[1] - run[0], bool)
        for start, end in intervals:
            covered[max(0, start - run[0]) : max(0, end - run[0])] = True
        for reset in self.resets:
            before = max((end for _, end in intervals if end <= reset), default=0)
            covered[max(0, before - run[0]) : max(0, reset - run[0])] = True
        assert covered.all(), f"speech in {run} vanished; FINALs {intervals}"

    def _start(self, channel: int, work: RecognizeWork, start_ms: int, after: int) -> int:
        """Where the work's audio lies in the stream; of several places (zeros), one past ``after`` if there is."""
        length = len(work.samples)
        places = [
            start
            for start in range(start_ms * 16, start_ms * 16 + 16)
            if np.array_equal(self.sent[channel][start : start + length], work.samples)
        ]
        assert places, "the work's audio is not what was sent at that time"
        return next((start for start in places if start >= after), places[0])
