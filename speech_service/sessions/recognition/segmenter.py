"""Cuts one channel of audio into segments: a state machine without I/O and without a word about text.

Rules held here:
- every sample is in exactly one segment or in silence; segments never overlap;
- silence alone never opens a segment;
- a segment ends a fixed pad after its last voiced frame, whoever ended it, so its audio is known as soon as a
  pause is longer than the pad: ``PauseBegan`` carries it, and ``SegmentClosed`` carries the same bytes unless
  speech went on between the two;
- a segment cut for its length in the middle of speech is cut at the quietest point of its second half, and
  what follows the cut opens the next segment: no sample is lost or said twice.
"""

import itertools
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from speech_service.domain.audio import Samples, ms_to_samples
from speech_service.domain.recognition import Endpointing, EndpointingMode
from speech_service.domain.transcript import EndCause
from speech_service.sessions.recognition.activity import SpeechActivity
from speech_service.sessions.recognition.audio import GrowingAudio

TAIL_MS = 224
"""Silence kept behind the last voiced frame of a segment."""
PAUSE_MS = 448
"""Silence after which a pause is reported: long enough that most pauses are real, short enough that the FINAL is
there when the endpoint comes. Never below ``TAIL_MS``."""
SOFT_PAUSE_MS = 160
"""Silence that ends a segment of at least ``soft_segment_ms``."""
_TAIL, _PAUSE, _SOFT_PAUSE = map(ms_to_samples, (TAIL_MS, PAUSE_MS, SOFT_PAUSE_MS))
_QUIET_CHUNKS = 3
"""Neighbouring chunks (32 ms each) that are averaged when looking for the quietest point."""

NO_AUDIO: Samples = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """Speech was confirmed; it began at ``at_sample``."""

    at_sample: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """Silence has lasted ``end_silence_ms``; speech ended at ``at_sample``."""

    at_sample: int


@dataclass(frozen=True, slots=True)
class SegmentOpened:
    """A segment begins at ``start_sample``, which lies before the event by the pre-roll."""

    segment_id: int
    start_sample: int


@dataclass(frozen=True, slots=True, eq=False)
class PauseBegan:
    """The open segment would end here: ``audio`` (float32 [n]) is its final audio unless speech goes on."""

    audio: Samples = field(repr=False)
    segment_id: int
    end_sample: int


@dataclass(frozen=True, slots=True, eq=False)
class SegmentClosed:
    """The segment [start_sample, end_sample) is over; ``audio`` is float32 [end_sample - start_sample]."""

    segment_id: int
    cause: EndCause
    start_sample: int
    end_sample: int
    audio: Samples = field(repr=False)


SegmentEvent = SpeechBegan | SpeechEnded | SegmentOpened | PauseBegan | SegmentClosed


@dataclass(frozen=True, slots=True, eq=False)
class _Chunk:
    """Audio as it came: a frame, or less where the client ended a turn between frames."""

    start: int
    audio: Samples

    @property
    def end(self) -> int:
        return self.start + len(self.audio)


@dataclass(slots=True)
class _Segment:
    """The open segment; its audio runs up to the present, trimming happens when it is read."""

    segment_id: int
    start: int
    audio: GrowingAudio = field(default_factory=GrowingAudio)
    chunk_starts: list[int] = field(default_factory=list[int])
    paused: bool = False

    def append(self, start: int, audio: Samples) -> None:
        if len(audio):
            self.audio.append(audio)
            self.chunk_starts.append(start)

    def quietest_sample(self) -> int:
        """Middle of the quietest stretch of the second half."""
        half = max(1, len(self.chunk_starts) // 2)
        width = min(_QUIET_CHUNKS, len(self.chunk_starts) - half)
        if width < 1:
            return self.start + len(self.audio)
        edges = np.array([*self.chunk_starts[half:], self.start + len(self.audio)]) - self.start
        squares = np.square(self.audio.view(int(edges[0]), len(self.audio)), dtype=np.float64)
        powers = np.add.reduceat(squares, edges[:-1] - edges[0]) / np.diff(edges)
        levels = np.convolve(powers, np.ones(width) / width, mode="valid")
        quietest = int(levels.argmin()) + width // 2
        return self.start + int(edges[quietest] + edges[quietest + 1]) // 2


@dataclass(frozen=True, slots=True)
class _Lengths:
    """Of the settings, in samples."""

    end_silence: int
    soft_segment: int
    max_segment: int
    padding: int

    @classmethod
    def of(cls, settings: Endpointing) -> "_Lengths":
        return cls(
            ms_to_samples(settings.end_silence_ms),
            ms_to_samples(settings.soft_segment_ms),
            ms_to_samples(settings.max_segment_ms),
            ms_to_samples(settings.padding_ms),
        )


class Segmenter:
    """One channel's endpointing. Feed it frames of 16 kHz audio with their speech probability."""

    def __init__(self, settings: Endpointing, first_segment_id: int = 0) -> None:
        self._settings = settings
        self._lengths = _Lengths.of(settings)
        self._activity = SpeechActivity(settings)
        self._next_id = first_segment_id
        self._position = 0
        self._segment: _Segment | None = None
        self._history: deque[_Chunk] = deque()
        """Audio before the present that may still become the start of a segment."""
        self._silence_samples = 0

    # --- what a session may ask ---

    @property
    def open_segment(self) -> int | None:
        """Id of the open segment."""
        return self._segment.segment_id if self._segment else None

    @property
    def settings(self) -> Endpointing:
        """In force now."""
        return self._settings

    @property
    def in_pause(self) -> bool:
        """A pause of the open segment was reported and speech has not gone on since."""
        return self._segment is not None and self._segment.paused

    @property
    def silence_samples(self) -> int:
        """Samples that are known to belong to no segment."""
        return self._silence_samples

    @property
    def open_samples(self) -> int:
        """Length of ``open_audio``; 0: no segment is open."""
        return self._speech_end() - self._segment.start if self._segment else 0

    @property
    def uneventful_samples(self) -> int:
        """So many samples must come before the next event can, whatever they hold; at or below zero: at once."""
        activity, segment, lengths = self._activity, self._segment, self._lengths
        silent_since = activity.last_voiced_end
        ends: list[int] = []
        if activity.speaking or segment is not None:
            ends.append(silent_since + lengths.end_silence)
        if not activity.speaking or segment is None:
            ends.append(self._position + activity.unconfirmed_samples)
        if segment is not None:
            ends.append(segment.start + lengths.max_segment)
            ends.append(max(segment.start + lengths.soft_segment, silent_since + _SOFT_PAUSE))
            if not segment.paused:
                ends.append(silent_since + _PAUSE)
        return min(ends) - self._position

    def open_audio(self) -> Samples | None:
        """The open segment so far, float32 [n] from its first sample on, trailing silence trimmed.

        A later view begins with the same samples as an earlier one; views are read-only and stay valid.
        """
        segment = self._segment
        return segment.audio.view(0, self._speech_end() - segment.start) if segment else None

    # --- input ---

    def push(self, frame: Samples, probability: float) -> list[SegmentEvent]:
        """Take the next frame (float32 [512]) with its speech probability."""
        start = self._position
        self._take(frame)
        self._activity.push(probability, start, self._position)
        return [*self._speech_events(), *self._segment_events()]

    def finalize(self, tail: Samples = NO_AUDIO) -> list[SegmentEvent]:
        """The client ends the segment. ``tail``: received audio that is shorter than a frame."""
        return self._close_all(tail, EndCause.FINALIZE)

    def finish(self, tail: Samples = NO_AUDIO) -> list[SegmentEvent]:
        """The audio is over; ``tail`` as in :meth:`finalize`."""
        events = self._close_all(tail, EndCause.END_OF_STREAM)
        self._drop_history(self._position)
        if self._activity.speaking:
            events.append(SpeechEnded(self._activity.last_voiced_end))
        self._activity = SpeechActivity(self._settings)
        return events

    def hold(self, tail: Samples = NO_AUDIO) -> list[SegmentEvent]:
        """No audio comes for now: the open segment may end here. ``tail`` as in :meth:`finalize`."""
        start, activity = self._position, self._activity
        self._take(tail)
        if len(tail):
            activity.extend(activity.voiced, start, self._position)
        events = [*self._speech_events(), *self._segment_events()]
        segment = self._segment
        if segment is not None and not segment.paused and self._coming_speech() is None:
            events.append(self._pause(segment))
        return events

    def hush(self) -> list[SegmentEvent]:
        """Silence has ended the speech, though none of it came as audio: what comes next begins anew."""
        activity = self._activity
        events = self._close_all(NO_AUDIO, EndCause.ENDPOINT)
        self._drop_history(self._position)
        if activity.speaking:
            is_close = (isinstance(event, SegmentClosed) for event in events)
            at = next(itertools.compress(itertools.count(), is_close), len(events))
            events.insert(at, SpeechEnded(activity.last_voiced_end))
        self._activity = SpeechActivity(self._settings)
        return events

    def reset(self, tail: Samples = NO_AUDIO) -> list[SegmentEvent]:
        """Forget the open segment and all audio so far. Positions and segment ids go on."""
        speaking, ended_at = self._activity.speaking, self._activity.last_voiced_end
        self._position += len(tail)
        self._segment = None
        self._history.clear()
        self._activity = SpeechActivity(self._settings)
        return [SpeechEnded(ended_at)] if speaking else []

    def update(self, settings: Endpointing) -> None:
        """Other settings from the next frame on."""
        self._settings = settings
        self._lengths = _Lengths.of(settings)
        self._activity.update(settings)

    # --- speech ---

    def _speech_events(self) -> list[SegmentEvent]:
        activity = self._activity
        if not activity.speaking:
            if not activity.confirmed or activity.candidate_start is None:
                return []
            activity.begin()
            return [SpeechBegan(activity.candidate_start)]
        if self._position - activity.last_voiced_end < self._lengths.end_silence:
            return []
        activity.end()
        return [SpeechEnded(activity.last_voiced_end)]

    def _speech_end(self) -> int:
        """Where the open segment ends if nothing more is said."""
        end = min(self._position, self._activity.last_voiced_end + _TAIL)
        coming = self._coming_speech()
        return end if coming is None else min(end, coming)

    def _coming_speech(self) -> int | None:
        """Where speech began that is behind the last one and still too short to count."""
        begin = self._activity.candidate_start
        return begin if begin is not None and begin >= self._activity.last_voiced_end else None

    # --- segments ---

    def _take(self, audio: Samples) -> None:
        start = self._position
        self._position += len(audio)
        if self._segment is not None:
            self._segment.append(start, audio)
        elif len(audio):
            self._history.append(_Chunk(start, audio))

    def _segment_events(self) -> list[SegmentEvent]:
        if self._segment is None:
            if self._activity.confirmed and self._activity.candidate_start is not None:
                return [self._open(self._activity.candidate_start)]
            self._forget_old_history()
            return []
        return self._close_or_pause(self._segment)

    def _close_or_pause(self, segment: _Segment) -> list[SegmentEvent]:
        lengths = self._lengths
        silence = self._position - self._activity.last_voiced_end
        length = self._position - segment.start
        segment.paused = segment.paused and silence > 0
        if silence >= lengths.end_silence and self._settings.mode is EndpointingMode.VAD:
            return [self._close(segment, EndCause.ENDPOINT)]
        if length >= lengths.soft_segment and silence >= _SOFT_PAUSE:
            return [self._close(segment, EndCause.MAX_SEGMENT)]
        if length >= lengths.max_segment:
            return self._cut(segment)
        if silence < _PAUSE or self._coming_speech() is not None:
            return []
        if not segment.paused:
            segment.paused = True
            return [self._pause(segment)]
        return []

    def _pause(self, segment: _Segment) -> PauseBegan:
        end = self._speech_end()
        audio = segment.audio.view(0, end - segment.start)
        return PauseBegan(audio, segment.segment_id, end)

    def _open(self, speech_start: int) -> SegmentOpened:
        """Open a segment at ``speech_start`` less the pre-roll, as far as no other segment has it."""
        start = speech_start - self._lengths.padding
        self._drop_history(start)
        start = self._history[0].start if self._history else self._position
        segment = _Segment(self._next_id, start)
        self._next_id += 1
        for chunk in self._history:
            segment.append(chunk.start, chunk.audio)
        self._history.clear()
        self._segment = segment
        return SegmentOpened(segment.segment_id, start)

    def _close(self, segment: _Segment, cause: EndCause) -> SegmentClosed:
        return self._close_at(segment, cause, self._speech_end())

    def _close_at(self, segment: _Segment, cause: EndCause, end: int) -> SegmentClosed:
        """Close at sample ``end``; what follows it may become the start of another segment."""
        audio = segment.audio.view(0, end - segment.start)
        rest = segment.audio.view(end - segment.start, len(segment.audio))
        self._segment = None
        if len(rest):
            self._history.append(_Chunk(end, rest))
        self._activity.forget_candidate_before(end)
        self._forget_old_history()
        return SegmentClosed(segment.segment_id, cause, segment.start, end, audio)

    def _cut(self, segment: _Segment) -> list[SegmentEvent]:
        """The segment is too long: cut it in its silence, or where it is quietest."""
        end = self._speech_end()
        cut = min(segment.quietest_sample(), end)
        if self._activity.last_voiced_end <= cut or end < self._position:
            return [self._close_at(segment, EndCause.MAX_SEGMENT, end)]
        rest = segment.audio.view(cut - segment.start, len(segment.audio))
        audio = segment.audio.view(0, cut - segment.start)
        closed = SegmentClosed(segment.segment_id, EndCause.MAX_SEGMENT, segment.start, cut, audio)
        self._segment = None
        self._history.append(_Chunk(cut, rest))
        return [closed, self._open(cut)]

    def _close_all(self, tail: Samples, cause: EndCause) -> list[SegmentEvent]:
        start = self._position
        self._take(tail)
        activity = self._activity
        if len(tail):
            activity.extend(activity.voiced, start, self._position)
        events: list[SegmentEvent] = []
        speech_start = activity.candidate_start
        if activity.voiced and speech_start is not None:
            # Speech is going on, perhaps too short to count yet; nothing received may be lost.
            if not activity.speaking:
                activity.begin()
                events.append(SpeechBegan(speech_start))
            if self._segment is None:
                events.append(self._open(speech_start))
        if self._segment is not None:
            events.append(self._close(self._segment, cause))
        return events

    # --- history ---

    def _forget_old_history(self) -> None:
        """Keep what may become pre-roll."""
        anchor = self._activity.candidate_start
        keep_from = self._position if anchor is None else anchor
        keep_from -= self._lengths.padding
        while self._history and self._history[0].end <= keep_from:
            self._drop_first_chunk()

    def _drop_history(self, before: int) -> None:
        """What lies before sample ``before`` is silence."""
        while self._history and self._history[0].end <= before:
            self._drop_first_chunk()
        if self._history and self._history[0].start < before:
            first = self._history.popleft()
            dropped = before - first.start
            self._history.appendleft(_Chunk(before, first.audio[dropped:]))
            self._silence_samples += dropped

    def _drop_first_chunk(self) -> None:
        dropped = len(self._history.popleft().audio)
        self._silence_samples += dropped
