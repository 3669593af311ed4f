"""Work: what a session asks of a device, and what comes back.

A work item is a frozen value that always carries everything needed to compute it from nothing. Engines may
keep state per stream to be faster; they must be able to lose it. This one rule gives exact caches, retries on
another worker, and crashes without loss.
"""

from dataclasses import dataclass, field
from enum import Enum, IntEnum

from speech_service.domain.alignment import Alignment, Granularity
from speech_service.domain.audio import Samples, samples_to_ms
from speech_service.domain.errors import SpeechError
from speech_service.domain.synthesis import LexiconEntry, SpeechFinish, SpokenWord, VoicePrompt
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.translation import GlossaryEntry, LanguageGuess, Translation


class WorkClass(IntEnum):
    """Scheduling classes, most urgent first. A client may lower its class, never raise it."""

    STREAM_FINAL = 0
    STREAM_PARTIAL = 1
    UNARY = 2
    BACKGROUND = 3


class RecognizeKind(Enum):
    """A PARTIAL may be superseded; a FINAL is never dropped. A CHECK recognizes nothing: it fails where the model
    does not take the context (``ModelCapabilities.max_context_tokens``).
    """

    PARTIAL = "partial"
    FINAL = "final"
    CHECK = "check"


@dataclass(frozen=True, slots=True)
class SegmentKey:
    """Names one segment of one channel of one stream."""

    stream_id: str
    channel: int
    segment_id: int


@dataclass(frozen=True, slots=True, eq=False)
class SegmentAudio:
    """The first ``len(samples)`` samples (float32, 16 kHz mono) of the audio that ``key`` names.

    Work of the same key holds the same audio, and maybe more: a remote submitter sends only what is new.
    """

    key: SegmentKey
    samples: Samples = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class RecognizeWork:
    """Transcribe ``samples`` (float32 [n], 16 kHz mono), the segment's audio from its first sample on.

    ``draft_tokens`` are the tokens of the segment's previous hypothesis (may be empty): they save passes, and change no
    FINAL unless a model's own option says so.
    ``deadline_s`` is a ``time.monotonic()`` value; work that still waits then is not started.
    """

    work_id: str
    segment: SegmentKey
    kind: RecognizeKind
    work_class: WorkClass
    samples: Samples = field(repr=False)
    model: str
    language: str = ""
    context: str = field(default="", repr=False)
    draft_tokens: tuple[int, ...] = field(default=(), repr=False)
    deadline_s: float | None = None
    traceparent: str = ""

    @property
    def stream_id(self) -> str:
        return self.segment.stream_id

    @property
    def audio(self) -> SegmentAudio | None:
        """The audio that the work reads."""
        return SegmentAudio(self.segment, self.samples)

    @property
    def cost_ms(self) -> int:
        """The length of the audio."""
        return samples_to_ms(len(self.samples))

    @property
    def supersedes(self) -> SegmentKey | None:
        """Waiting partials of this key give way to the work."""
        return self.segment

    @property
    def supersede_key(self) -> SegmentKey | None:
        """The work gives way to newer work that supersedes this key while it waits; None means never."""
        return self.segment if self.kind is RecognizeKind.PARTIAL else None

    @property
    def is_last(self) -> bool:
        """No later work needs its audio."""
        return self.kind is not RecognizeKind.PARTIAL


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _OneOff:
    """Work that belongs to a stream, supersedes nothing and is superseded by nothing."""

    work_id: str
    stream_id: str
    work_class: WorkClass
    model: str
    deadline_s: float | None = None
    traceparent: str = ""

    @property
    def audio(self) -> SegmentAudio | None:
        return None

    @property
    def supersedes(self) -> SegmentKey | None:
        return None

    @property
    def supersede_key(self) -> SegmentKey | None:
        return None

    @property
    def is_last(self) -> bool:
        """No later work needs its audio."""
        return True


_MS_PER_CHARACTER = 60
"""Speech takes about this long per character; used to weigh text against audio in the queue."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SynthesizeWork(_OneOff):
    """Speak ``text``, one piece that is spoken in one go. ``WorkAudio`` events come before ``WorkDone``.

    ``speaking_rate`` 1.0 is the voice's own pace. The same ``seed`` gives the same samples. ``instruct`` says in words
    how to speak or, to a model that designs voices, what the voice is like. ``voice`` is empty where a description or
    a ``voice_prompt`` takes its place. ``ahead_ms``: speech that its listener had yet to hear before it when the work
    was asked for: what was made, and what the pieces before it still come to, at the least.
    """

    text: str = field(repr=False)
    voice: str
    language: str = ""
    speaking_rate: float = 1.0
    seed: int = 0
    lexicon: tuple[LexiconEntry, ...] = field(default=(), repr=False)
    instruct: str = field(default="", repr=False)
    voice_prompt: VoicePrompt | None = field(default=None, repr=False)
    ahead_ms: int = 0

    @property
    def cost_ms(self) -> int:
        """About how long the speech will be."""
        return len(self.text) * _MS_PER_CHARACTER


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class AlignWork(_OneOff):
    """Place ``text`` in ``samples`` (float32 [n], 16 kHz mono)."""

    segment: SegmentKey
    samples: Samples = field(repr=False)
    text: str = field(repr=False)
    language: str = ""
    granularity: Granularity = Granularity.WORD

    @property
    def audio(self) -> SegmentAudio | None:
        """The audio that the work reads."""
        return SegmentAudio(self.segment, self.samples)

    @property
    def cost_ms(self) -> int:
        """The length of the audio."""
        return samples_to_ms(len(self.samples))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TranslateWork(_OneOff):
    """Translate each of ``texts``. An empty ``source_language`` is the model's to find out."""

    texts: tuple[str, ...] = field(repr=False)
    source_language: str
    target_language: str
    glossary: tuple[GlossaryEntry, ...] = field(default=(), repr=False)
    context: str = field(default="", repr=False)

    @property
    def cost_ms(self) -> int:
        """Text, weighed as if it were spoken."""
        return sum(map(len, self.texts)) * _MS_PER_CHARACTER


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class IdentifyWork(_OneOff):
    """Say which language each of ``texts`` is in."""

    texts: tuple[str, ...] = field(repr=False)

    @property
    def cost_ms(self) -> int:
        return 1


Work = RecognizeWork | SynthesizeWork | AlignWork | TranslateWork | IdentifyWork


@dataclass(frozen=True, slots=True)
class SpeechMade:
    """All audio of a ``SynthesizeWork`` was sent as ``WorkAudio``.

    ``words`` are where the model knows (offsets into the work's text). ``unspoken`` are words it cannot say.
    ``finish`` says whether the model stopped by itself.
    """

    sample_rate_hz: int
    words: tuple[SpokenWord, ...] = ()
    unspoken: tuple[str, ...] = ()
    finish: SpeechFinish = SpeechFinish.COMPLETE


@dataclass(frozen=True, slots=True)
class LanguagesFound:
    """One list of guesses for each text, likeliest first."""

    guesses: tuple[tuple[LanguageGuess, ...], ...]


Outcome = Hypothesis | SpeechMade | Alignment | Translation | LanguagesFound


@dataclass(frozen=True, slots=True)
class WorkTiming:
    """How the time of one piece of work was spent, and what speculation did for it.

    Of speech that is made in frames, ``decode_ms`` holds the time to the first one and that of the codec. ``lane_ms``
    is what it cost its lane, were that full of such work (``dispatch/step_cost.py``); the lane itself says so.
    """

    queue_ms: float = 0.0
    encode_ms: float = 0.0
    decode_ms: float = 0.0
    decode_steps: int = 0
    draft_proposed: int = 0
    draft_accepted: int = 0
    first_frame_ms: float = 0.0
    codec_ms: float = 0.0
    lane_ms: float = 0.0


class DropReason(Enum):
    """Why work was given up without an error."""

    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class WorkDone:
    """The work is finished."""

    work_id: str
    outcome: Outcome
    timing: WorkTiming

    @property
    def hypothesis(self) -> Hypothesis:
        """Give the outcome of a ``RecognizeWork``."""
        assert isinstance(self.outcome, Hypothesis), "the work was not recognition"
        return self.outcome


@dataclass(frozen=True, slots=True)
class WorkFailed:
    """The work failed; no other work is touched by it."""

    work_id: str
    error: SpeechError


@dataclass(frozen=True, slots=True)
class WorkDropped:
    """The work was superseded or cancelled before it was done."""

    work_id: str
    reason: DropReason


@dataclass(frozen=True, slots=True, eq=False)
class WorkAudio:
    """A piece of speech is ready: float32 [n] at the model's rate. More events follow."""

    work_id: str
    samples: Samples = field(repr=False)
    sample_rate_hz: int


TerminalEvent = WorkDone | WorkFailed | WorkDropped
"""Exactly one of these ends every work item."""

WorkEvent = TerminalEvent | WorkAudio
