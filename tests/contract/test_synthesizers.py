"""One suite for every synthesizer's speaker."""

# ruff: noqa: RUF001 - phonetic letters are part of what is tested

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import numpy as np
import pytest

from speech_service.domain.audio import Samples
from speech_service.domain.errors import InvalidOptionError
from speech_service.domain.models import ModelCapabilities, ModelKind
from speech_service.domain.synthesis import LexiconEntry
from speech_service.engines import hibari
from speech_service.engines.fake import synthesizer as fake
from speech_service.engines.shared import SharedModels
from speech_service.engines.speaking import PieceAudio, Speaker
from tests.contract.synthesizers import pieces_of

TEXT = "Hello there, my friend. How are you today? It is late; we should go."
BACKENDS: dict[str, ModuleType] = {"fake": fake, "hibari": hibari}
OPTIONS = {"fake": fake.FakeSynthesizerOptions, "hibari": hibari.HibariOptions}
_speakers: dict[str, Speaker] = {}


@pytest.fixture(params=sorted(BACKENDS))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def speaker(kind: str) -> Speaker:
    if kind not in _speakers:
        module = BACKENDS[kind]
        _speakers[kind] = module.build_speaker(OPTIONS[kind](), SharedModels())
    return _speakers[kind]


def speak(
    speaker: Speaker,
    text: str = TEXT,
    rate: float = 1.0,
    seed: int | None = None,
    lexicon: Sequence[LexiconEntry] = (),
) -> list[PieceAudio]:
    return list(pieces_of(speaker.speak(text, speaking_rate=rate, seed=seed, lexicon=lexicon)))


def joined(pieces: Sequence[PieceAudio]) -> Samples:
    return np.concatenate([piece.samples for piece in pieces])


def test_describes_itself_without_loading(kind: str) -> None:
    module = BACKENDS[kind]
    capabilities: ModelCapabilities = module.describe(OPTIONS[kind]())
    assert capabilities.kind is ModelKind.SYNTHESIZER
    for voice in module.voices(OPTIONS[kind]()):
        assert voice.model == capabilities.name
        assert voice.sample_rate_hz == capabilities.sample_rate_hz
        assert voice.voice_id
        assert voice.languages


def test_speaks_piece_by_piece(kind: str, speaker: Speaker) -> None:
    module = BACKENDS[kind]
    assert speaker.sample_rate_hz == module.describe(OPTIONS[kind]()).sample_rate_hz
    pieces = speak(speaker)
    assert len(pieces) == 3
    position = 0
    for piece in pieces:
        assert piece.samples.dtype == np.float32
        assert piece.samples.ndim == 1
        assert np.abs(piece.samples).max() <= 1.0
        assert np.sqrt(np.mean(piece.samples**2)) > 0.01
        assert piece.part.start_sample == position
        position += len(piece.samples)
        assert piece.part.end_sample == position
    assert "".join(piece.part.text for piece in pieces) == TEXT
    assert position > 2 * speaker.sample_rate_hz


@pytest.mark.parametrize("rate", [1.0, 1.6])
def test_what_comes_ahead_of_a_piece_is_its_beginning(speaker: Speaker, rate: float) -> None:
    ahead: list[Samples] = []
    pieces: list[PieceAudio] = []
    for item in speaker.speak(TEXT, speaking_rate=rate):
        if isinstance(item, PieceAudio):
            early = sum(map(len, ahead))
            np.testing.assert_array_equal(
                np.concatenate([*ahead, item.samples[early:]]), item.samples
            )
            ahead.clear()
            pieces.append(item)
        else:
            assert len(item)
            ahead.append(item)
    assert not ahead
    np.testing.assert_array_equal(joined(pieces), joined(speak(speaker, rate=rate)))


def test_words_lie_in_their_piece_and_in_the_text(speaker: Speaker) -> None:
    words = []
    for piece in speak(speaker):
        assert all(
            piece.part.start_sample <= word.start_sample < word.end_sample <= piece.part.end_sample
            for word in piece.words
        )
        words += piece.words
    assert [TEXT[word.char_start : word.char_end] for word in words] == TEXT.split()


def test_samples_are_the_receivers_own(speaker: Speaker) -> None:
    pieces = speak(speaker)
    kept = [piece.samples.copy() for piece in pieces]
    for piece in pieces:
        assert piece.samples.flags.writeable
        assert piece.samples.base is None
        piece.samples[:] = 0
    for piece, before in zip(speak(speaker), kept, strict=True):
        np.testing.assert_array_equal(piece.samples, before)


def test_the_same_request_gives_the_same_audio(speaker: Speaker) -> None:
    np.testing.assert_array_equal(joined(speak(speaker)), joined(speak(speaker)))
    np.testing.assert_array_equal(
        joined(speak(speaker, seed=2**63)), joined(speak(speaker, seed=2**63))
    )
    assert not np.array_equal(joined(speak(speaker, seed=1)), joined(speak(speaker, seed=2)))


def test_side_by_side_is_the_same_as_alone(speaker: Speaker) -> None:
    texts = [TEXT, "Something else.", "Five, six, seven.", TEXT]
    alone = [joined(speak(speaker, text)) for text in texts]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda text: joined(speak(speaker, text)), texts))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("rate", [0.5, 0.8, 1.25, 2.0])
def test_rate(speaker: Speaker, rate: float) -> None:
    usual, changed = len(joined(speak(speaker))), len(joined(speak(speaker, rate=rate)))
    assert changed == pytest.approx(usual / rate, rel=0.15)


@pytest.mark.parametrize("rate", [0.49, 2.01, 0.0, -1.0, math.nan, math.inf])
def test_rate_out_of_range(speaker: Speaker, rate: float) -> None:
    with pytest.raises(InvalidOptionError) as refused:
        speak(speaker, rate=rate)
    assert refused.value.option == "speaking_rate"


def test_a_lexicon_is_heard(speaker: Speaker) -> None:
    entry = LexiconEntry("TODAY", "təˈmɑːtoʊ təˈmɑːtoʊ")
    assert len(joined(speak(speaker, lexicon=[entry]))) > len(joined(speak(speaker)))


@pytest.mark.parametrize("text", ["", " \n ", "\x00\x07", "😀🎉", "?! …", "\ud800"])
def test_text_that_says_nothing(speaker: Speaker, text: str) -> None:
    with pytest.raises(InvalidOptionError) as refused:
        speak(speaker, text)
    assert refused.value.reason == "NOTHING_TO_SPEAK"


@pytest.mark.parametrize(
    "text",
    [
        "a\x00b \ud800 c",
        "Hi 😀 you",
        "zero\u200bwidth",
        "x" * 2000,
        "[a](/b/) {c} <d>",
        "A\u0301" * 50,
    ],
)
def test_odd_text_is_spoken(speaker: Speaker, text: str) -> None:
    assert len(next(pieces_of(speaker.speak(text))).samples)
