"""One context of a synthesis session: its text, what of it is being spoken, and how far its audio is."""

from collections import deque
from dataclasses import dataclass, field, replace

from speech_service.domain.errors import (
    InvalidOptionError,
    LimitExceededError,
    SpeechError,
    too_many_characters,
)
from speech_service.domain.events import (
    ContextEnded,
    ContextOutcome,
    ContextTurn,
    ControlAck,
    SpeechSamples,
    SpeechTimings,
    SpokenUnit,
    Usage,
)
from speech_service.domain.synthesis import SpeechFinish, SynthesisOptions
from speech_service.domain.work import (
    SpeechMade,
    SynthesizeWork,
    TerminalEvent,
    WorkAudio,
    WorkClass,
    WorkDone,
)
from speech_service.sessions.synthesis.recording import Recording
from speech_service.text.clean import is_speakable
from speech_service.text.sentences.cutter import SentencePiece, SentenceSplitter

TEXT_SETTING = "synthesis.max_text_characters"
"""Where an operator sets how long a text may be."""
NOTHING_TO_SPEAK = "NOTHING_TO_SPEAK"
_SEED_STEP = 0x9E3779B97F4A7C15
_MAX_SEED = 2**63 - 1
_CERTAIN = 0.5
"""Of the speech that a text is taken to be: some voices speak twice as fast, none much faster."""


@dataclass(frozen=True, slots=True)
class SynthesisLimits:
    """Limits that the session itself holds. ``ahead_ms``: audio made and not yet taken by the client."""

    max_text_characters: int = 100_000
    max_contexts: int = 64
    ahead_ms: float = 10_000.0


@dataclass(frozen=True, slots=True)
class SynthesisIdentity:
    """Who the session is and how its work is to be treated. ``single``: one context, whose failure is the session's."""

    session_id: str
    work_class: WorkClass = WorkClass.STREAM_FINAL
    deadline_s: float | None = None
    single: bool = False
    tries: int = 1
    """How often a piece is spoken whose speech is cut at the model's limit. Above 1, a piece's audio waits for its end:
    what was sent cannot be taken back.
    """


@dataclass(slots=True)
class SpeechContext:
    """State of one context. ``turn`` is its number in the session; ids come back, turns do not."""

    turn: int
    context_id: str
    options: SynthesisOptions
    splitter: SentenceSplitter
    pieces: deque[SentencePiece] = field(default_factory=deque[SentencePiece])
    """Text to be spoken; holds only what can be."""
    flushed: bool = False
    outcome: ContextOutcome | None = None
    """Its ``ContextEnded`` is on its way; the client may not have it yet."""
    in_line: int = 0
    aligning: int = 0
    """Pieces whose words are being looked for."""
    received: int = 0
    """Pieces so far, spoken or not."""
    flushes: deque[tuple[int, ControlAck]] = field(default_factory=deque[tuple[int, ControlAck]])
    """Acks of flushes that kept it open, each with the pieces that come before it."""
    characters: int = 0
    samples: int = 0
    """Audio so far, at the model's rate."""
    unsent_ms: float = 0.0
    unspoken: int = 0
    """Words that the voice cannot say."""
    finish: SpeechFinish = SpeechFinish.COMPLETE
    rest_at_s: float | None = None
    """When what is finished is spoken, unless more text comes before."""
    silent_error: SpeechError | None = None
    """Why a piece gave no audio, where the voice could say nothing of it."""

    @property
    def ended(self) -> bool:
        """Its end was told."""
        return self.outcome is not None

    @property
    def may_stop(self) -> bool:
        """It may still be cancelled, or fail: a good end counts once the client has it."""
        return self.outcome in (None, ContextOutcome.DONE)

    @property
    def over(self) -> bool:
        """Nothing is left to be spoken, and nothing can follow."""
        is_busy = self.pieces or self.in_line or self.aligning
        return self.flushed and not is_busy and not self.ended

    @property
    def owner(self) -> ContextTurn:
        """What its speech belongs to."""
        return ContextTurn(self.turn, self.context_id)

    def push(self, text: str, limit: int, now_s: float) -> None:
        """Take more text.

        Raises:
            LimitExceededError: the context's text is too long.
        """
        if self.characters + len(text) > limit:
            remedy = "end this context, and go on in another"
            problem = too_many_characters(self.characters + len(text), TEXT_SETTING, remedy)
            raise LimitExceededError("text.text", "max_text_characters", limit, problem)
        self.characters += len(text)
        self._keep(self.splitter.push(text))
        self._await_pause(now_s)

    def rest(self, now_s: float) -> None:
        """No text has come for a while: what is finished is to be spoken."""
        self._keep(self.splitter.rest())
        self._await_pause(now_s)

    def _await_pause(self, now_s: float) -> None:
        pause_s = self.options.sentence_pause_ms * self.splitter.pauses_to_rest / 1000
        self.rest_at_s = now_s + pause_s if pause_s else None

    def flush(self, ack: ControlAck | None = None) -> None:
        """Speak all of it. No more text follows, unless there is an ``ack`` to give once it is spoken."""
        self.flushed, self.rest_at_s = ack is None, None
        self._keep(self.splitter.flush())
        if ack is not None:
            self.flushes.append((self.received, ack))

    def answered(self) -> list[ControlAck]:
        """Acks of the flushes of which all was spoken; each is given once."""
        done = self.received - len(self.pieces) - self.in_line - self.aligning
        acks: list[ControlAck] = []
        while self.flushes and self.flushes[0][0] <= done:
            acks.append(self.flushes.popleft()[1])
        return acks

    def _keep(self, pieces: list[SentencePiece]) -> None:
        speakable = [piece for piece in pieces if is_speakable(piece.text)]
        self.pieces += speakable
        self.received += len(speakable)

    def end(self, outcome: ContextOutcome, error: SpeechError | None = None) -> ContextEnded:
        """Close it; how much audio was sent is for the output to fill in."""
        self.outcome, self.rest_at_s = outcome, None
        self.pieces.clear()
        usage = Usage(characters_in=self.characters)
        finish = self.finish if outcome is ContextOutcome.DONE else None
        return ContextEnded(self.owner, outcome, usage, error, finish)


@dataclass(slots=True)
class SpokenPiece:
    """A piece of text on the device, and what came back of it so far."""

    context: SpeechContext
    piece: SentencePiece
    work: SynthesizeWork
    asked_s: float
    """When it was submitted."""
    audio: list[WorkAudio] = field(default_factory=list[WorkAudio])
    """Not emitted yet."""
    began: bool = False
    """Some of its audio came."""
    end: TerminalEvent | None = None
    first_sample: int | None = None
    """Where its audio begins in the context's."""
    recording: Recording | None = None
    """Its audio for an aligner, where one is to find its words."""
    made_ms: float = 0.0
    """Of its speech."""
    tried: int = 1

    @property
    def coming_ms(self) -> float:
        """Speech that is certainly still to come of it."""
        if self.end is not None:
            return 0.0
        least_ms = _CERTAIN * self.work.cost_ms / self.work.speaking_rate
        return max(0.0, least_ms - self.made_ms)

    def take(self, event: WorkAudio) -> None:
        """More of its audio came."""
        self.audio.append(event)
        self.made_ms += len(event.samples) * 1000 / event.sample_rate_hz
        self.began = True
        if self.context.options.aligner:
            self.recording = self.recording or Recording(event.sample_rate_hz)
            self.recording.push(event.samples)

    def again(self, work_id: str) -> SynthesizeWork:
        """Forget what came, and speak it once more from another seed, which follows from the first."""
        self.audio.clear()
        self.recording, self.end, self.made_ms = None, None, 0.0
        self.work = other_try(self.work, work_id, self.context.options, self.tried)
        self.tried += 1
        return self.work

    def take_audio(self) -> list[SpeechSamples[ContextTurn]]:
        """What came since the last call."""
        context, taken = self.context, self.audio
        self.audio = []
        if self.first_sample is None:
            self.first_sample = context.samples
        context.samples += sum(len(a.samples) for a in taken)
        context.unsent_ms += sum(len(a.samples) * 1000 / a.sample_rate_hz for a in taken)
        return [
            SpeechSamples(
                context.owner,
                a.samples,
                a.sample_rate_hz,
                context.options,
                self.asked_s,
            )
            for a in taken
        ]

    def timings(self, made: SpeechMade) -> SpeechTimings | None:
        """When its words are spoken in the context's audio; None where the model does not say."""
        base = self.first_sample or 0
        per_ms = made.sample_rate_hz / 1000
        units = tuple(
            SpokenUnit(
                word.text,
                self.piece.char_start + word.char_start,
                self.piece.char_start + word.char_end,
                round((base + word.start_sample) / per_ms),
                round((base + word.end_sample) / per_ms),
            )
            for word in made.words
        )
        context = self.context
        return SpeechTimings(context.owner, units) if units else None


def speech_work(
    identity: SynthesisIdentity,
    work_id: str,
    options: SynthesisOptions,
    text: str,
    ahead_ms: float = 0.0,
) -> SynthesizeWork:
    """The work of speaking a text at once. ``ahead_ms``: speech that the listener hears before it."""
    return SynthesizeWork(
        work_id=work_id,
        stream_id=identity.session_id,
        work_class=identity.work_class,
        model=options.model,
        deadline_s=identity.deadline_s,
        text=text,
        voice=options.voice,
        language=options.language,
        speaking_rate=options.speaking_rate,
        seed=options.seed,
        lexicon=options.lexicon,
        instruct=options.instruct,
        voice_prompt=options.voice_prompt,
        ahead_ms=round(ahead_ms),
    )


def other_try(
    work: SynthesizeWork, work_id: str, options: SynthesisOptions, tried: int
) -> SynthesizeWork:
    """The work once more, from a seed that follows from that of ``options``. ``tried``: how often it was done."""
    return replace(work, work_id=work_id, seed=(options.seed + tried * _SEED_STEP) & _MAX_SEED)


def says_nothing(error: SpeechError) -> bool:
    """Whether work failed only because the voice can say nothing of the text."""
    return isinstance(error, InvalidOptionError) and error.reason == NOTHING_TO_SPEAK


def is_cut(end: TerminalEvent | None) -> bool:
    """Whether the model was stopped at its limit."""
    return (
        isinstance(end, WorkDone)
        and isinstance(end.outcome, SpeechMade)
        and end.outcome.finish is SpeechFinish.LENGTH_LIMIT
    )
