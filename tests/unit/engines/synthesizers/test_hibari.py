"""hibari: only its bundled voice, the words and times of a text, lexicons, and joints that cannot be heard."""

# ruff: noqa: RUF001 - phonetic letters are part of what is tested

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.domain.errors import InvalidOptionError, UnsupportedOptionError
from speech_service.domain.synthesis import LexiconEntry
from speech_service.engines import hibari
from speech_service.engines.hibari.network import FRAME_SAMPLES
from speech_service.engines.hibari.phonemes import SYMBOLS
from speech_service.engines.hibari.reading import PhonemeReader, load_g2p
from speech_service.engines.shared import SharedModels
from speech_service.engines.speaking import PieceAudio, Speaker
from tests.contract.synthesizers import pieces_of
from tests.unit.text.test_written_forms import pairs, spelt

LONG = (
    "Well, when the sun had finally set behind the distant mountains, and the cold wind began to blow across the "
    "empty valley, the travelers, who had been walking since the early morning, decided at last to stop and rest."
)


@pytest.fixture(scope="module")
def speaker() -> Speaker:
    return hibari.build_speaker(hibari.HibariOptions(), SharedModels())


@pytest.fixture(scope="module")
def reader() -> PhonemeReader:
    return PhonemeReader(load_g2p(), SYMBOLS | set(' ;:,.!?—…"()“”'), hibari.HibariOptions())


def spoken(speaker: Speaker, text: str, **options: object) -> list[PieceAudio]:
    return list(pieces_of(speaker.speak(text, **options)))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("voice", hibari.DOWNLOADED_VOICES)
def test_voices_that_would_be_downloaded_are_refused_by_name(voice: str) -> None:
    with pytest.raises(UnsupportedOptionError, match=f"{voice}.*model hub") as refused:
        hibari.describe(hibari.HibariOptions(voice=voice))
    assert refused.value.metadata["supported"] == "heart"


def test_an_unknown_voice_is_refused() -> None:
    with pytest.raises(UnsupportedOptionError, match="no voice 'alloy'"):
        hibari.build_speaker(hibari.HibariOptions(voice="alloy"), SharedModels())


def test_words_are_those_of_the_client_however_they_are_said(speaker: Speaker) -> None:
    text = "Dr. Smith paid $5.50 on 3/4/2024, at 7:30. Visit example.com now!"
    words = [word for piece in spoken(speaker, text) for word in piece.words]
    assert [word.text for word in words] == text.split()
    assert all(text[word.char_start : word.char_end] == word.text for word in words)
    starts = [word.start_sample for word in words]
    assert starts == sorted(starts)
    assert all(word.start_sample < word.end_sample for word in words)


def test_word_times_are_where_the_sound_is(speaker: Speaker) -> None:
    """Silence around a word that stands alone: its edges are those of the sound, to within two frames."""
    text = "Yes. No. Maybe."
    pieces = spoken(speaker, text)
    samples = np.concatenate([piece.samples for piece in pieces])
    for piece in pieces:
        (word,) = piece.words
        start, end = piece.part.start_sample, piece.part.end_sample
        loud = start + np.flatnonzero(np.abs(samples[start:end]) > 0.02)
        assert abs(int(loud[0]) - word.start_sample) <= 2.5 * FRAME_SAMPLES
        # The last sound is given the time in which it dies away.
        assert -2 * FRAME_SAMPLES <= word.end_sample - int(loud[-1]) <= 6 * FRAME_SAMPLES


def test_a_long_sentence_comes_clause_by_clause(speaker: Speaker) -> None:
    pieces = spoken(speaker, LONG)
    assert len(pieces) > 2
    assert "".join(piece.part.text for piece in pieces) == LONG
    assert len(pieces[0].samples) < 5 * speaker.sample_rate_hz
    assert all(piece.part.text.rstrip()[-1] in ",." for piece in pieces)


def test_the_beginning_of_a_sentence_comes_before_the_rest_is_computed(speaker: Speaker) -> None:
    beginning, *_, piece = speaker.speak(
        "It was late in the evening, and nobody in the house spoke."
    )
    assert isinstance(piece, PieceAudio)
    assert isinstance(beginning, np.ndarray)
    assert (
        len(beginning)
        < 0.5 * speaker.sample_rate_hz
        < 3 * speaker.sample_rate_hz
        < len(piece.samples)
    )
    assert np.abs(beginning).max() > 0.02, "something is heard in it"


def test_joints_are_silent(speaker: Speaker) -> None:
    """Both sides of every joint are near digital silence, so there is nothing to click."""
    pieces = spoken(speaker, LONG + " It was late. Nobody spoke.")
    for before, after in pairwise(pieces):
        assert np.abs(before.samples[-240:]).max() < 2e-3
        assert np.abs(after.samples[:240]).max() < 2e-3


def test_pauses_are_natural(speaker: Speaker) -> None:
    """Some 0.2 to 0.9 s between sentences, less at a joint inside one, and an early start."""
    pieces = spoken(speaker, "It was late. Nobody spoke.")
    gap = pieces[1].words[0].start_sample - pieces[0].words[-1].end_sample
    assert 0.2 < gap / speaker.sample_rate_hz < 0.9
    assert pieces[0].words[0].start_sample / speaker.sample_rate_hz < 0.2
    inside = spoken(speaker, LONG)
    gap = inside[1].words[0].start_sample - inside[0].words[-1].end_sample
    assert 0.1 < gap / speaker.sample_rate_hz < 0.6


def test_a_lexicon_changes_what_is_said_of_a_term_alone(speaker: Speaker) -> None:
    text = "The GIF and the gift."
    plain = spoken(speaker, text)
    entries = [LexiconEntry("gif", "dʒɪf"), LexiconEntry("not there", "F UW1", "arpabet")]
    changed = spoken(speaker, text, lexicon=entries)
    assert [w.text for w in changed[0].words] == text.split()
    assert not np.array_equal(plain[0].samples, changed[0].samples)


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (LexiconEntry(" ", "a"), "lexicon[0].term"),
        (LexiconEntry("x", "ʁ"), "lexicon[0].pronunciation"),
        (LexiconEntry("x", "QQ", "arpabet"), "lexicon[0].pronunciation"),
        (LexiconEntry("x", "!?", ""), "lexicon[0].pronunciation"),
    ],
)
def test_a_lexicon_that_cannot_be_said(speaker: Speaker, entry: LexiconEntry, field: str) -> None:
    with pytest.raises(InvalidOptionError) as refused:
        spoken(speaker, "Hello.", lexicon=[entry])
    assert refused.value.option == field


_BITS = st.sampled_from(
    [
        *(
            "Dr.",
            "Mr",
            "$",
            "£",
            "5",
            "10",
            "1,000",
            "3.14",
            "1st",
            "XIV",
            "Henry",
            "the",
            "don't",
            "'",
            "-",
            "—",
            "...",
        ),
        *(
            "/",
            "@",
            "#",
            "%",
            "&",
            "*",
            "(",
            ")",
            "[",
            "]",
            "<",
            "=",
            "+",
            "é",
            "ß",
            "İ",
            "你",
            "½",
            "²",
            "¹",
            "₇",
            "①",
        ),
        *(
            "°C",
            "km",
            "a.m.",
            "7:30",
            "25:99",
            "13/45",
            "2024-13-40",
            "1990s",
            "st",
            "00",
            "www.x.com",
            "a@b.co",
            "😀",
        ),
        *(
            "9" * 40,
            "1,1,1",
            "٣",
            "Ⅳ",
            "_",
            "$.5",
            "1..2",
            "O'Neil",
            "\ud800",
            "\n",
            "CO2",
            "B2B",
            "1e5",
            "v1.2",
            "!?",
        ),
    ]
)


@given(st.lists(st.tuples(_BITS, st.sampled_from(["", " "])), max_size=12))
def test_any_text_can_be_read(reader: PhonemeReader, bits: list[tuple[str, str]]) -> None:
    """hibari's rules fail on some of it as it is, such as the superscript of a footnote."""
    text = "".join(bit + space for bit, space in bits)
    reading = reader.read(text, {})
    assert all(0 <= word.begin < word.end <= len(reading.phonemes) for word in reading.words)
    assert all(text[word.char_start : word.char_end] == word.text for word in reading.words)
    assert list(reading.ends) == sorted(set(reading.ends))


def test_reading_with_a_lexicon(reader: PhonemeReader) -> None:
    entries = [
        LexiconEntry("SQL", "ˈsiːkwəl"),
        LexiconEntry("New York", "N UW1 Y AO1 R K", "arpabet"),
        LexiconEntry("nginx", "engine ex", ""),
    ]
    pronunciations = reader.pronunciations(entries)
    reading = reader.read("Sql, nginx in new york.", pronunciations)
    assert reading.phonemes.startswith("sˈikwəl, ˈɛnʤən")
    assert reading.phonemes.endswith("nˈujˈɔɹk.")


def test_words_of_other_scripts_are_told(speaker: Speaker) -> None:
    (piece,) = spoken(speaker, "Hello 你好 my friend")
    assert piece.unspoken == ("你好",)
    assert [word.text for word in piece.words] == ["Hello", "my", "friend"]


@pytest.mark.parametrize("text", ["x" * 3000, "ab" * 500, "word " * 1000, "1" * 2000])
def test_text_without_a_break(speaker: Speaker, text: str) -> None:
    pieces = pieces_of(speaker.speak(text))
    first = next(pieces)
    assert 0 < len(first.samples) < 60 * speaker.sample_rate_hz
    assert np.isfinite(first.samples).all()


def test_each_piece_has_noise_of_its_own_seed(speaker: Speaker) -> None:
    """A sentence sounds the same whatever its place in the stream of works: each work starts at number 0."""
    alone = spoken(speaker, "Nobody spoke.", seed=7)[0].samples
    again = spoken(speaker, "Nobody spoke.", seed=7)[0].samples
    other = spoken(speaker, "Nobody spoke.", seed=8)[0].samples
    np.testing.assert_array_equal(alone, again)
    assert len(other) == pytest.approx(len(alone), abs=FRAME_SAMPLES)
    assert not np.array_equal(alone, other[: len(alone)])


# --- what is written is what is said ------------------------------------------------------------------

_UNHEARD = str.maketrans("", "", "ˈˌ" + ' ;:,.!?—…"()“”')


def heard(reader: PhonemeReader, text: str) -> str:
    """The sounds of a text; how "to" and "the" are said depends on what follows, and stress on the context."""
    sounds = reader.read(text, {}).phonemes.translate(_UNHEARD)
    return sounds.replace("tʊ", "tə").replace("tu", "tə").replace("ði", "ðə")


@pytest.mark.parametrize(("written", "said"), pairs())
def test_the_voice_says_what_is_written(reader: PhonemeReader, written: str, said: str) -> None:
    assert heard(reader, written) in [
        heard(reader, plain) for plain in map(spelt, said.split(" | "))
    ]


@pytest.mark.parametrize(
    ("shouted", "plain"),
    [
        ("IT IS COLD IN HERE.", "It is cold in here."),
        ("WHO LET US IN?", "Who let us in?"),
        ("ADD MORE OR ASK ME.", "Add more or ask me."),
        ("He said DO IT NOW to us.", "He said do it now to us."),
    ],
)
def test_capitals_that_shout_are_words(reader: PhonemeReader, shouted: str, plain: str) -> None:
    assert heard(reader, shouted) == heard(reader, plain)


@pytest.mark.parametrize("initials", ["IT", "US", "WHO", "UN", "BBC"])
def test_initials_among_words_are_spelt(reader: PhonemeReader, initials: str) -> None:
    dotted = ".".join(initials)
    assert heard(reader, f"Ask the {initials} today.") == heard(reader, f"Ask the {dotted} today.")


@pytest.mark.parametrize("word", ["am", "in", "fig", "no", "sat", "ill", "Miss", "Mass", "la", "A"])
def test_the_full_stop_behind_a_word_is_kept(reader: PhonemeReader, word: str) -> None:
    """It is in the rules' tables of abbreviations, with its stop."""
    assert reader.read(f"This is {word}.", {}).phonemes.endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        "5 km, 10 kg, 3 lb, 6 ft, 72°F, 20°C, 100 km/h, 60 mph, 5 GB, 2.4 GHz.",
        "2 two 2 two and 1 to one.",
        "No. 5 costs $5.50 on 3/4/2024, i.e. 2 1/2 times x = 3.",
        "Call (555) 123-4567 or +44 20 7946 0958 now, PIN 0042.",
        "I said no. 10⁶ is 1 000 000, isn't it?",
        *(written for written, _ in pairs()[::14]),
    ],
)
def test_every_written_word_has_its_time(speaker: Speaker, text: str) -> None:
    words = [word for piece in spoken(speaker, text) for word in piece.words]
    # A sign between words has a time where it is said.
    plain = [word.text for word in words if any(map(str.isalnum, word.text))]
    assert plain == [word for word in text.split() if any(map(str.isalnum, word))]
    assert all(text[word.char_start : word.char_end] == word.text for word in words)
    starts = [word.start_sample for word in words]
    assert starts == sorted(starts)


def test_a_sign_that_is_said_has_its_time(speaker: Speaker) -> None:
    (piece,) = spoken(speaker, "x = 5")
    assert [word.text for word in piece.words] == ["x", "=", "5"]
