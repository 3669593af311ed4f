"""Which places are believed: scores, neighbours, and bridges over swallowed words."""

import numpy as np

from speech_service.domain.alignment import AlignedUnit, Granularity
from speech_service.engines.character_units import character_units
from speech_service.engines.pocketsphinx.decoder import GrammarWord
from speech_service.engines.pocketsphinx.evidence import (
    WordEvidence,
    believed,
    bridged,
    scores_against,
)
from speech_service.engines.pocketsphinx.letters_to_sound import arpabet
from speech_service.engines.pocketsphinx.pronunciation import Pronouncer
from speech_service.engines.pocketsphinx.sound import (
    background,
    clear,
    loudness,
    reached,
    trimmed,
    with_full_band,
)
from speech_service.engines.pocketsphinx.text_graph import Candidate, Placed

LIMITS = WordEvidence(min_score=-30, min_word_score=-75, min_support=0.6)
WORD = GrammarWord("w", ("AA B",))
SOUND = np.ones(2_000, np.bool_)


def candidates(count: int) -> list[Candidate]:
    return [Candidate(unit, 4, ((("AA B",),),)) for unit in range(count)]


def places(*units: int, frames: int = 20) -> list[Placed]:
    return [Placed(unit, unit * 30, unit * 30 + frames, 0.0, (WORD,)) for unit in units]


def test_scores_count_from_free_phones() -> None:
    free = np.full(100, -2.0)
    place = Placed(3, 10, 20, -50.0, (WORD,))
    assert scores_against([place], free) == {3: -30.0}


def test_text_that_fits_is_believed() -> None:
    found = places(*range(12))
    scores = {place.unit: -10.0 * place.frames for place in found}
    assert believed(candidates(12), found, scores, SOUND, LIMITS) == found


def test_text_that_scores_badly_is_not() -> None:
    found = places(*range(12))
    scores = {place.unit: -40.0 * place.frames for place in found}
    assert believed(candidates(12), found, scores, SOUND, LIMITS) == []


def test_scattered_words_are_not_believed_however_well_they_fit() -> None:
    found = places(2, 9, 17, 25)
    scores = {place.unit: 0.0 for place in found}
    assert believed(candidates(30), found, scores, SOUND, LIMITS) == []


def test_text_after_the_last_place_is_evidence_only_where_speech_goes_on() -> None:
    found = places(0, 1)
    scores = {place.unit: -5.0 * place.frames for place in found}
    ends = SOUND.copy()
    ends[found[-1].end :] = False
    assert believed(candidates(60), found, scores, ends, LIMITS) == found
    assert believed(candidates(60), found, scores, SOUND, LIMITS) == []


def test_a_swallowed_word_between_firm_ones_is_bridged_and_a_wrong_run_is_not() -> None:
    found = places(*range(5)) + places(5, frames=6) + places(*range(6, 11))
    kept = [place for place in found if place.unit != 5]
    scores = {place.unit: -5.0 * place.frames for place in found} | {5: -80.0 * 6}
    assert bridged(candidates(11), found, kept, scores) == found
    firm = [place for place in found if place.unit not in (4, 5, 6, 7)]
    assert bridged(candidates(11), found, firm, scores) == firm


def test_edges_of_a_word_lose_their_silence() -> None:
    rng = np.random.default_rng(1)
    samples = rng.normal(0, 1e-4, 16_000).astype(np.float32)
    samples[6_400:9_600] += rng.normal(0, 0.1, 3_200).astype(np.float32)
    levels = loudness(samples)
    assert len(levels) == 100
    assert trimmed(levels, 10, 90, background(levels)) == (40, 60)
    start, end = trimmed(levels, 0, 30, background(levels))
    assert end - start >= 6


def test_a_word_gets_the_rest_of_its_sound_back_where_silence_ends_it() -> None:
    levels = np.full(100, -80.0)
    levels[30:60] = -50.0
    everything = (0, 100)
    assert reached(levels, 40, 52, -60.0, everything) == (30, 60)
    assert reached(levels, 40, 52, -60.0, (35, 56)) == (40, 52), "the neighbours' sound is theirs"
    levels[10:30] = -50.0
    assert reached(levels, 40, 52, -60.0, everything) == (40, 60), "too long for an edge"


def test_faint_noise_in_digital_silence_is_not_heard() -> None:
    levels = np.concatenate((np.full(20, -100.0), np.full(30, -85.0), np.full(50, -20.0)))
    assert -80 < background(levels) < -70
    assert clear(levels, background(levels)) == -55.0
    assert clear(levels, -30.0) == -30.0


def test_only_an_empty_band_is_filled() -> None:
    time = np.arange(16_000) / 16_000
    telephone = (0.1 * np.sin(2 * np.pi * 1_000 * time)).astype(np.float32)
    filled = with_full_band(telephone)
    spectrum = np.abs(np.fft.rfft(filled - telephone))
    assert spectrum[:3_800].max() < spectrum[4_000:].mean() / 100
    wide = telephone + np.random.default_rng(0).normal(0, 0.01, 16_000).astype(np.float32)
    assert with_full_band(wide) is wide
    silence = np.zeros(16_000, np.float32)
    assert with_full_band(silence) is silence


def test_pronunciations_come_from_the_dictionary_then_rules_then_spelling() -> None:
    known = {"cat": ("K AE T",), "cafe": ("K AH F EY",), "dog": ("D AO G", "D AA G")}
    asked: list[str] = []

    def read(word: str) -> str:
        asked.append(word)
        return "" if word == "\u65e5" else "Z"

    pronounce = Pronouncer(lambda word: known.get(word, ()), read)
    assert pronounce("dog") == ("D AO G", "D AA G")
    assert pronounce("caf\u00e9") == ("K AH F EY",)
    assert pronounce("cat's") == ("K AE T S",)
    assert asked == []
    assert pronounce("zzz") == ("Z",)
    assert pronounce("zzz") == ("Z",)
    assert asked == ["zzz"]
    assert pronounce("\u65e5") == ()
    assert pronounce("a" * 500) == ()


def test_sounds_become_arpabet() -> None:
    assert arpabet("\u02c8\u00e6n\u03b8\u0279\u0259p\u02ccIk") == "AE N TH R AH P AY K"
    assert arpabet("z\u02c8\u028ck\u0259\u0279") == "Z AH K ER"
    assert arpabet("\u02c8 ()") == ""


def test_characters_share_the_time_of_their_word() -> None:
    word = AlignedUnit("cafe\u0301s", Granularity.WORD, 10, 16, 100, 600)
    units = character_units(word)
    assert [unit.text for unit in units] == ["c", "a", "f", "e\u0301", "s"]
    assert [(u.char_start, u.char_end) for u in units][3] == (13, 15)
    assert units[0].start_ms == 100
    assert units[-1].end_ms == 600
    crowded = character_units(AlignedUnit("abcdef", Granularity.WORD, 0, 6, 0, 3))
    assert [unit.text for unit in crowded] == ["ab", "cd", "ef"]
    assert all(unit.end_ms > unit.start_ms for unit in crowded)
