"""What voices have in common that speak a text piece by piece, and the engine around one.

Each step of the device speaks one piece of one text, or the beginning of one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from speech_service.domain.audio import Samples
from speech_service.domain.errors import InvalidOptionError
from speech_service.domain.models import ModelCapabilities
from speech_service.domain.synthesis import LexiconEntry, SpeechFinish, SpokenPart, SpokenWord
from speech_service.domain.work import SpeechMade, SynthesizeWork, Work, WorkAudio
from speech_service.engines.stepping import Piece, SteppingEngine
from speech_service.protocols import Engine

DEFAULT_SEED = 0
"""Where a request has no seed: the same request gives the same audio, so a cache of finished audio makes sense."""
MIN_RATE, MAX_RATE = 0.5, 2.0


@dataclass(frozen=True, slots=True, eq=False)
class PieceAudio:
    """Audio of one piece of the text: float32 [n] in [-1, 1] at the model's rate; the receiver's own.

    ``words`` are those spoken in it, in order, where the model knows. ``unspoken`` are words of the piece that the
    model cannot say (another script, for one).
    """

    samples: Samples = field(repr=False)
    part: SpokenPart
    words: tuple[SpokenWord, ...] = ()
    unspoken: tuple[str, ...] = ()
    finish: SpeechFinish = SpeechFinish.COMPLETE


class Speaker(Protocol):
    """A loaded voice. May be called from several threads at once, each with its own iterator."""

    @property
    def sample_rate_hz(self) -> int:
        """Rate of all that it speaks."""
        ...

    def speak(
        self,
        text: str,
        *,
        speaking_rate: float = 1.0,
        seed: int | None = None,
        lexicon: Sequence[LexiconEntry] = (),
    ) -> Iterator[Samples | PieceAudio]:
        """Speak ``text``. Joined in order, the pieces are the whole.

        One ``next`` is one step of the device. Before a piece come, where that is sooner, samples that it begins with:
        float32 [n]. The piece is whole: its beginning is in it again.

        Args:
            text: anything; what cannot be spoken is left out.
            speaking_rate: 2.0 is twice as fast, at the same pitch; within [0.5, 2].
            seed: makes the audio repeatable; None: a fixed one. Never part of how the text is cut.
            lexicon: how to say terms of the text.

        Raises:
            InvalidOptionError: on the first ``next``, for the rate or the lexicon; at the end, where nothing of the
                text could be spoken.
        """
        ...


def check_rate(speaking_rate: float) -> None:
    """Refuse a rate out of range.

    Raises:
        InvalidOptionError: it is not within [0.5, 2].
    """
    if not MIN_RATE <= speaking_rate <= MAX_RATE:  # NaN is in no range.
        problem, allowed = f"{speaking_rate:g} is out of range", f"{MIN_RATE:g} to {MAX_RATE:g}"
        raise InvalidOptionError("speaking_rate", problem, allowed)


def nothing_spoken(voice: str) -> InvalidOptionError:
    """The error for a text of which the voice could say nothing."""
    return InvalidOptionError(
        "text",
        f"voice {voice!r} can say nothing of it",
        "text in a language of the voice",
        reason="NOTHING_TO_SPEAK",
    )


def speaking_engine(capabilities: ModelCapabilities, speaker: Speaker) -> Engine:
    """The engine that serves ``SynthesizeWork`` with ``speaker``."""

    def run(work: Work) -> Iterator[Piece]:
        assert isinstance(work, SynthesizeWork), "the scheduler sends a model its own kind of work"
        return _speak(work, speaker)

    return SteppingEngine(capabilities, run)


def _speak(work: SynthesizeWork, speaker: Speaker) -> Iterator[Piece]:
    words: list[SpokenWord] = []
    unspoken: list[str] = []
    finish = SpeechFinish.COMPLETE
    spoken = speaker.speak(
        work.text,
        speaking_rate=work.speaking_rate,
        seed=work.seed,
        lexicon=work.lexicon,
    )
    ahead = 0
    for item in spoken:
        if not isinstance(item, PieceAudio):
            ahead += len(item)
            yield WorkAudio(work.work_id, item, speaker.sample_rate_hz)
            continue
        words += item.words
        unspoken += item.unspoken
        finish = item.finish if finish is SpeechFinish.COMPLETE else finish
        if ahead < len(item.samples):
            yield WorkAudio(work.work_id, item.samples[ahead:], speaker.sample_rate_hz)
        ahead = 0
    yield SpeechMade(speaker.sample_rate_hz, tuple(words), tuple(unspoken), finish)
