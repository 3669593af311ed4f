"""A synthesizer as an engine: each step of the device speaks one piece of one text, or the beginning of one."""

from collections.abc import Iterator

from speech_service.domain.models import ModelCapabilities
from speech_service.domain.synthesis import SpeechFinish, SpokenWord
from speech_service.domain.work import SpeechMade, SynthesizeWork, Work, WorkAudio
from speech_service.engines.speaking import PieceAudio, Speaker
from speech_service.engines.stepping import Piece, SteppingEngine
from speech_service.protocols import Engine


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
    spoken = speaker.stream(
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
