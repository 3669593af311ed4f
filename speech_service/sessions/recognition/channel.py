"""One channel of a recognition session: segments in, work out, results in order.

Rules held here:
- every closed segment yields exactly one FINAL, and FINALs leave in the order of their segments;
- a FINAL is decoded from the whole segment; all work carries the previous hypothesis as a draft;
- when a pause begins, the segment's final audio is already known, so its FINAL is computed ahead: it is used
  when the endpoint comes, shown as a partial when it does not;
- partial work that fails or is dropped costs nothing but freshness; a failed FINAL ends the stream;
- a segment keeps the options it opened with; an update holds from the next segment on;
- cursors never go back, and every sample before the final cursor is in a sent FINAL or in silence.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from speech_service.domain.audio import Samples, ms_to_samples, samples_to_ms
from speech_service.domain.errors import SpeechError, UnavailableError
from speech_service.domain.events import (
    Cancel,
    Emit,
    Finish,
    SpeechEvent,
    SpeechEventKind,
    Submit,
)
from speech_service.domain.recognition import Endpointing, Pacing, RecognitionOptions
from speech_service.domain.transcript import EndCause, Hypothesis
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    WorkClass,
    WorkDone,
    WorkEvent,
    WorkFailed,
)
from speech_service.sessions.latency import LatencyMeter
from speech_service.sessions.recognition.events import RecognitionAction
from speech_service.sessions.recognition.faint_voice import FaintVoice, without_noise_words
from speech_service.sessions.recognition.refinement import Refinement
from speech_service.sessions.recognition.repair_warnings import repair_warnings
from speech_service.sessions.recognition.segment_record import SegmentRecord
from speech_service.sessions.recognition.segmenter import (
    NO_AUDIO,
    PauseBegan,
    SegmentClosed,
    Segmenter,
    SegmentEvent,
    SegmentOpened,
    SpeechBegan,
    SpeechEnded,
)

FIRST_PARTIAL_MS = 400
"""Speech after which a segment's first partial is due, where the interval is not shorter."""
_MAX_UNHEARD = ms_to_samples(500)
"""More audio than this does not wait, however long nothing can happen: cursors and lag tell of it."""


@dataclass(frozen=True, slots=True)
class ChannelContext:
    """What all channels of a session share."""

    stream_id: str
    clock: Callable[[], float]
    new_work_id: Callable[[], str]
    new_segment_id: Callable[[], int]
    final_class: WorkClass
    partial_class: WorkClass
    traceparent: str
    deadline_s: float | None
    bulk_after_ms: int | None
    latency: LatencyMeter
    refinement: Refinement

    def class_of_final(self, start_sample: int) -> WorkClass:
        """The class of a FINAL of a segment that begins there."""
        bulk_after_ms = self.bulk_after_ms
        if bulk_after_ms is not None and samples_to_ms(start_sample) >= bulk_after_ms:
            return WorkClass.BACKGROUND
        return self.final_class


class RecognitionChannel:
    """Turns one channel's frames and speech probabilities into work and results.

    ``first_sample``: silence of the stream that came before the channel's first frame.
    """

    def __init__(
        self,
        channel: int,
        options: RecognitionOptions,
        shared: ChannelContext,
        first_sample: int = 0,
    ) -> None:
        self._channel = channel
        self._options = options
        self._shared = shared
        self._segmenter = Segmenter(options.endpointing)
        self._voice = FaintVoice(options.endpointing)
        self._cut_at: int | None = None
        """Where the last segment ended, if it was cut for its length."""
        self._open: SegmentRecord | None = None
        self._pending: deque[SegmentRecord] = deque()
        self._speaking = False
        self._speech_began = 0
        self._last_probability = 1.0
        self._position = 0
        """Samples given to the segmenter. Its positions lack what was skipped."""
        self._skipped = first_sample
        self._forgotten = 0
        """Samples that resets took from the segmenter before it called them silence or a segment."""
        self._decoded = 0
        self.last_final_segment: int | None = None
        self.segments_closed = 0
        self.finals_sent = 0
        self.speech_samples = 0
        self.characters_out = 0
        self.tokens_out = 0

    # --- cursors ---

    @property
    def pending_finals(self) -> int:
        """Closed segments whose FINAL was not sent yet."""
        return len(self._pending)

    @property
    def undecoded_ms(self) -> int:
        """Audio of closed segments that waits for its FINAL."""
        return sum(samples_to_ms(s.final_samples) for s in self._pending if s.final is None)

    @property
    def idle(self) -> bool:
        """Neither a segment nor speech is open."""
        return self._open is None and not self._speaking

    @property
    def endpointing(self) -> Endpointing:
        """In force now."""
        return self._segmenter.settings

    def lag_samples(self, received_samples: int) -> int:
        """How far the oldest FINAL that is due lies behind the audio received."""
        if not self._pending:
            return 0
        first = self._pending[0]
        return received_samples - first.start_sample - first.shown_samples

    def cursors(self) -> tuple[int, int]:
        """Stream positions, in samples, up to which audio was decoded at least once, and is final."""
        here = self._skipped + self._position
        first = self._pending[0] if self._pending else self._open
        if first is None:
            decoded, final = here, self._settled
        else:
            decoded, final = first.start_sample + first.shown_samples, first.start_sample
            audio = self._segmenter.open_audio() if first is self._open else None
            if audio is not None and first.shown_samples >= len(audio):
                decoded = here  # what follows the speech was found silent
        self._decoded = max(self._decoded, decoded)
        return self._decoded, final

    @property
    def _settled(self) -> int:
        """Stream position before which no segment can open any more."""
        known = self._segmenter.silence_samples + self.speech_samples
        return self._skipped + self._forgotten + known

    # --- input ---

    @property
    def uneventful_samples(self) -> int:
        """As many samples may wait to be heard: before that, nothing can happen, whatever they hold."""
        wait, segment = min(_MAX_UNHEARD, self._segmenter.uneventful_samples), self._open
        if segment is not None and segment.options.partial_results:
            length = self._skipped + self._position - segment.start_sample
            interval = ms_to_samples(segment.options.partial_interval_ms)
            wait = min(wait, segment.asked_samples + interval - length)
        return wait

    def frames(
        self, frames: Samples, probabilities: Sequence[float] | None
    ) -> list[RecognitionAction]:
        """Take frames (float32 [k, 512]) with their speech probabilities; None: as the frame before them."""
        if probabilities is None:
            probabilities = [self._last_probability] * len(frames)
        actions: list[RecognitionAction] = []
        for frame, probability in zip(frames, probabilities, strict=True):
            self._position += len(frame)
            self._last_probability = probability
            self._voice.hear(probability, len(frame), is_open=self._open is not None)
            for event in self._segmenter.push(frame, probability):
                actions += self._segment_event(event)
        return actions + self._partial_if_due()

    def finalize(self, tail: Samples) -> list[RecognitionAction]:
        """Close the open segment because the client says so. ``tail``: audio shorter than a frame."""
        self._position += len(tail)
        return self._events(self._segmenter.finalize(tail))

    def hold(self, tail: Samples) -> list[RecognitionAction]:
        """No audio comes for now: decode all that came, as in a pause."""
        self._position += len(tail)
        return self._events(self._segmenter.hold(tail))

    def hush(self) -> list[RecognitionAction]:
        """No audio has come for so long that the speech is over."""
        return self._events(self._segmenter.hush())

    def finish(self, tail: Samples) -> list[RecognitionAction]:
        """The stream's audio is over: close whatever is open."""
        self._position += len(tail)
        return self._events(self._segmenter.finish(tail))

    def reset(self, tail: Samples) -> list[RecognitionAction]:
        """Forget the open segment without a FINAL. Closed segments keep theirs; positions go on."""
        self._position += len(tail)
        actions = self._cancel_all(self._open) if self._open else []
        self._open = None
        actions += self._events(self._segmenter.reset(tail))
        known = self._segmenter.silence_samples + self.speech_samples
        self._forgotten = self._position - known
        self._segmenter.update(self._options.endpointing)
        return actions

    def skip(self, samples: int) -> None:
        """Pass over silence without looking at it. Only while the channel is idle, and after silence."""
        assert self.idle, "an open segment hears its silence"
        self.reset(NO_AUDIO)
        self._skipped += samples

    def update(self, options: RecognitionOptions) -> None:
        """New options hold from the next segment on."""
        self._options = options
        if self._open is None:
            self._segmenter.update(options.endpointing)

    def last_words(self) -> list[RecognitionAction]:
        """FINALs that wait for one before them."""
        made = [segment for segment in self._pending if segment.final is not None]
        for segment in made:
            self._pending.remove(segment)
        return [action for segment in made for action in self._send_final(segment)]

    def cancel(self) -> list[RecognitionAction]:
        """The stream ends badly: give up all work."""
        segments = [*self._pending, *([self._open] if self._open else [])]
        return [action for segment in segments for action in self._cancel_all(segment)]

    # --- segments ---

    def _events(self, events: Iterable[SegmentEvent]) -> list[RecognitionAction]:
        return [action for event in events for action in self._segment_event(event)]

    def _segment_event(self, event: SegmentEvent) -> list[RecognitionAction]:
        match event:
            case SpeechBegan(at_sample):
                self._speaking, self._speech_began = True, at_sample
                self._shared.latency.speech_began(self._shared.clock())
                return [self._speech(SpeechEventKind.BEGIN, at_sample)]
            case SpeechEnded(at_sample):
                self._speaking = False
                return [self._speech(SpeechEventKind.END, at_sample)]
            case SegmentOpened(_, start_sample):
                # The first partial is due one interval after the speech itself began, or sooner.
                lead = max(0, self._speech_began - start_sample)
                lead -= max(0, ms_to_samples(self._options.partial_interval_ms - FIRST_PARTIAL_MS))
                self._voice.begin(goes_on=start_sample == self._cut_at)
                segment_id, start = self._shared.new_segment_id(), self._skipped + start_sample
                self._open = SegmentRecord(
                    segment_id, self._channel, start, self._options, asked_samples=lead
                )
                return []
            case PauseBegan(audio):
                return self._pause(audio)
            case SegmentClosed():
                return self._close(event)

    def _speech(self, kind: SpeechEventKind, at_sample: int) -> RecognitionAction:
        return Emit(SpeechEvent(kind, self._channel, samples_to_ms(self._skipped + at_sample)))

    def _pause(self, audio: Samples) -> list[RecognitionAction]:
        """Compute the FINAL ahead, where a client waits for it."""
        segment = self._open
        if segment is None or segment.options.pacing is Pacing.FILE:
            return []
        actions = self._cancel_final(segment)
        return actions + self._submit_final(segment, audio)

    def _close(self, event: SegmentClosed) -> list[RecognitionAction]:
        segment = self._open
        assert segment is not None, "a segment closes once, after it opened"
        self._open = None
        self._segmenter.update(self._options.endpointing)
        segment.cause, segment.closed_s = event.cause, self._shared.clock()
        segment.is_faint = self._voice.is_faint
        self._cut_at = event.end_sample if event.cause is EndCause.MAX_SEGMENT else None
        self.segments_closed += 1
        self.speech_samples += len(event.audio)
        self._pending.append(segment)
        actions = [Cancel(work_id) for work_id in segment.partials]
        segment.partials.clear()
        computed_ahead = segment.final_work or segment.final is not None
        if not (computed_ahead and segment.final_samples == len(event.audio)):
            actions += self._cancel_final(segment)
            actions += self._submit_final(segment, event.audio)
        return [*actions, *self._send_finals()]

    def _spoken(self, segment: SegmentRecord, said: Hypothesis, samples: int) -> Hypothesis:
        """What was said of the first ``samples``, without a word that only noise brought forth."""
        if segment is self._open:
            segment.is_faint = self._voice.is_faint
        noise_words = segment.options.noise_words
        return without_noise_words(said, noise_words, samples) if segment.is_faint else said

    # --- work ---

    def _partial_if_due(self) -> list[RecognitionAction]:
        segment = self._open
        if segment is None or not segment.options.partial_results or self._segmenter.in_pause:
            return []
        interval = ms_to_samples(segment.options.partial_interval_ms)
        if self._segmenter.open_samples - segment.asked_samples < interval:
            return []
        audio = self._segmenter.open_audio()
        assert audio is not None, "the segment is open"
        actions = self._cancel_final(segment)
        work = self._work(segment, RecognizeKind.PARTIAL, self._shared.partial_class, audio)
        segment.partials[work.work_id] = len(audio)
        segment.asked_samples = len(audio)
        return [*actions, Submit(work)]

    def _submit_final(self, segment: SegmentRecord, audio: Samples) -> list[RecognitionAction]:
        work_class = self._shared.class_of_final(segment.start_sample)
        work = self._work(segment, RecognizeKind.FINAL, work_class, audio)
        segment.final_work, segment.final_samples, segment.final = work.work_id, len(audio), None
        segment.asked_samples = len(audio)
        segment.final_audio = audio if segment.options.aligner else None
        return [Submit(work)]

    def _work(
        self, segment: SegmentRecord, kind: RecognizeKind, work_class: WorkClass, audio: Samples
    ) -> RecognizeWork:
        return RecognizeWork(
            work_id=self._shared.new_work_id(),
            segment=SegmentKey(self._shared.stream_id, self._channel, segment.segment_id),
            kind=kind,
            work_class=work_class,
            samples=audio,
            model=segment.options.model,
            language=segment.options.language,
            context=segment.options.context,
            draft_tokens=segment.shown.tokens if segment.shown else (),
            deadline_s=self._shared.deadline_s,
            traceparent=self._shared.traceparent,
        )

    def _cancel_final(self, segment: SegmentRecord) -> list[RecognitionAction]:
        """Speech went on after a pause: the FINAL computed ahead is void."""
        work_id, segment.final_work, segment.final = segment.final_work, "", None
        segment.final_samples = 0
        return [Cancel(work_id)] if work_id else []

    def _cancel_all(self, segment: SegmentRecord) -> list[RecognitionAction]:
        actions: list[RecognitionAction] = [Cancel(work_id) for work_id in segment.partials]
        segment.partials.clear()
        return actions + self._cancel_final(segment)

    def work_event(self, event: WorkEvent) -> list[RecognitionAction]:
        """Take the outcome of work; events of other channels and of given-up work are ignored."""
        segments = [*self._pending, *([self._open] if self._open else [])]
        for segment in segments:
            if event.work_id == segment.final_work:
                return self._final_event(segment, event)
            if event.work_id in segment.partials:
                samples = segment.partials.pop(event.work_id)
                return self._partial_event(segment, samples, event)
        return []

    def _final_event(self, segment: SegmentRecord, event: WorkEvent) -> list[RecognitionAction]:
        if isinstance(event, WorkDone):
            self._shared.latency.work_done(event.timing)
            segment.final_work, segment.final = "", event.hypothesis
            shown = [] if segment.cause else self._show(segment, event, segment.final_samples)
            return [*shown, *self._send_finals()]
        if segment.cause is None:
            segment.final_work = ""  # it is asked for again when the segment closes
            segment.final_samples = 0
            return []
        segment.final_work = ""
        return [Finish(event.error if isinstance(event, WorkFailed) else _lost())]

    def _partial_event(
        self, segment: SegmentRecord, samples: int, event: WorkEvent
    ) -> list[RecognitionAction]:
        if not isinstance(event, WorkDone):
            return []
        self._shared.latency.work_done(event.timing)
        return self._show(segment, event, samples)

    # --- results ---

    def _show(
        self, segment: SegmentRecord, done: WorkDone, samples: int
    ) -> list[RecognitionAction]:
        """Send a partial, unless it is older than what was shown or breaks the stable prefix."""
        hypothesis = self._spoken(segment, done.hypothesis, samples)
        if samples <= segment.shown_samples:
            return []
        changed = segment.shown is None or hypothesis.text != segment.shown.text
        segment.shown, segment.shown_samples = hypothesis, samples
        stable = segment.stable.update(hypothesis.text)
        if stable is None or not changed or not hypothesis.text:
            return []
        if not segment.options.partial_results:
            return []
        self._shared.latency.result_sent(self._shared.clock())
        return [Emit(segment.partial(hypothesis, stable, samples))]

    def _send_finals(self) -> list[RecognitionAction]:
        actions: list[RecognitionAction] = []
        while self._pending and self._pending[0].final is not None:
            actions += self._send_final(self._pending.popleft())
        return actions

    def _send_final(self, segment: SegmentRecord) -> list[RecognitionAction]:
        assert segment.final is not None, "it was decoded"
        final = self._spoken(segment, segment.final, segment.final_samples)
        now_s, text = self._shared.clock(), final.text
        self.finals_sent += 1
        self.last_final_segment = segment.segment_id
        self.characters_out += len(text)
        self.tokens_out += len(final.tokens)
        if text:
            self._shared.latency.result_sent(now_s)
        lag_ms = (now_s - segment.closed_s) * 1000
        self._shared.latency.final_sent(lag_ms)
        result = segment.final_result(final, lag_ms)
        actions: list[RecognitionAction] = [Emit(result), *map(Emit, repair_warnings(result))]
        actions += self._shared.refinement.final(result, segment.final_audio, segment.options)
        return actions


def _lost() -> SpeechError:
    """Nobody gives up a FINAL that its session still wants; were it so, the stream must not wait for ever."""
    return UnavailableError("the work for a final result was lost; retry", reason="WORK_LOST")
