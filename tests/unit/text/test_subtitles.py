"""Subtitles: nothing is lost, rules hold, and other programs can read the files."""

import re
from datetime import timedelta
from io import StringIO
from itertools import pairwise

import pytest
import srt
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from speech_service.domain.alignment import AlignedUnit, Granularity
from speech_service.domain.errors import InvalidOptionError
from speech_service.domain.translation import SubtitleCue
from speech_service.text.subtitles.atoms import TimedText
from speech_service.text.subtitles.display import fit, pieces, width
from speech_service.text.subtitles.rules import SubtitleRules
from speech_service.text.subtitles.writing import (
    cues_from_segments,
    cues_from_units,
    write_srt,
    write_vtt,
)

RULES = SubtitleRules()
DICKENS = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of "
    "foolishness. We had everything before us, we had nothing before us."
)


def bare(text: str) -> str:
    return "".join(text.split())


def spread(text: str, word_ms: int = 400, gap_ms: int = 50) -> list[AlignedUnit]:
    """Each word of ``text`` for a fixed time."""
    return [
        AlignedUnit(
            match.group(),
            Granularity.WORD,
            match.start(),
            match.end(),
            number * (word_ms + gap_ms),
            number * (word_ms + gap_ms) + word_ms,
        )
        for number, match in enumerate(re.finditer(r"\S+", text))
    ]


def check_rules(cues: list[SubtitleCue], rules: SubtitleRules) -> None:
    """What must hold always; see ``SubtitleRules`` for what gives way."""
    for number, cue in enumerate(cues, start=1):
        lines = cue.text.split("\n")
        assert cue.index == number
        assert 0 <= cue.start_ms < cue.end_ms
        assert cue.end_ms - cue.start_ms <= rules.max_duration_ms
        assert len(lines) <= rules.max_lines
        assert all(line.strip() == line and line for line in lines)
        assert all(width(line) <= rules.max_columns for line in lines)
    for before, after in pairwise(cues):
        assert after.start_ms - before.end_ms >= rules.min_gap_ms
        room_ms = after.start_ms - rules.min_gap_ms - before.start_ms
        letters = len(before.text.replace("\n", ""))  # a line may break inside a long word
        wanted = max(rules.min_duration_ms, round(letters / rules.max_cps * 1000))
        assert before.end_ms - before.start_ms >= min(room_ms, rules.max_duration_ms, wanted)


# --- layout ---


def test_fast_and_accurate_break_at_the_sense() -> None:
    fast = cues_from_segments([TimedText(DICKENS, 0, 12_000)], RULES)
    accurate = cues_from_units(DICKENS, spread(DICKENS), RULES)
    for cues in (fast, accurate):
        check_rules(cues, RULES)
        assert bare("".join(cue.text for cue in cues)) == bare(DICKENS)
        assert all(cue.text[-1] in ",." for cue in cues)
        assert any(cue.text.endswith("foolishness.") for cue in cues)


def test_a_cue_begins_with_its_first_word() -> None:
    units = spread(DICKENS)
    starts = {unit.start_ms for unit in units}
    assert all(cue.start_ms in starts for cue in cues_from_units(DICKENS, units, RULES))


def test_a_long_pause_ends_a_cue() -> None:
    text = "hello there my friend"
    units = spread(text)[:2] + [
        AlignedUnit(
            u.text, u.granularity, u.char_start, u.char_end, u.start_ms + 5000, u.end_ms + 5000
        )
        for u in spread(text)[2:]
    ]
    assert [cue.text for cue in cues_from_units(text, units, RULES)] == ["hello there", "my friend"]


def test_short_cues_are_merged_and_shown_long_enough() -> None:
    segments = [TimedText("Yes.", 0, 300), TimedText("No.", 350, 600), TimedText("Why?", 700, 950)]
    cues = cues_from_segments(segments, RULES)
    assert [cue.text for cue in cues] == ["Yes. No. Why?"]
    assert cues[0].end_ms - cues[0].start_ms >= 1_000


def test_a_word_wider_than_a_line_is_split_and_kept() -> None:
    word = "x" * 100
    cues = cues_from_segments([TimedText(f"see {word} now", 0, 9_000)], RULES)
    check_rules(cues, RULES)
    assert bare("".join(cue.text for cue in cues)) == f"see{word}now"


def test_words_that_were_not_placed_are_shown_between_their_neighbours() -> None:
    text = "one two three four five six"
    units = [unit for unit in spread(text) if unit.text not in ("one", "three", "six")]
    cues = cues_from_units(text, units, RULES)
    assert " ".join(cue.text for cue in cues).replace("\n", " ") == text
    assert cues_from_units(text, [], RULES)[0].text == text


def test_han_and_kana_are_cut_by_character_latin_words_are_not() -> None:
    rules = SubtitleRules(max_columns=12, max_lines=2)
    text = (
        "\u4eca\u65e5\u306fPython\u3092\u4f7f\u3044\u307e\u3059\u3002\u300c\u3068\u3066\u3082\u300d"
        "\u826f\u3044\u5929\u6c17\u3067\u3059\u306d\u3001\u672c\u5f53\u306b\u3002"
    )
    cues = cues_from_segments([TimedText(text, 0, 9_000)], rules)
    check_rules(cues, rules)
    lines = [line for cue in cues for line in cue.text.split("\n")]
    assert "".join(lines) == text
    assert any("Python" in line for line in lines)
    assert not any(line[0] in "\u3002\u3001\u300d" or line[-1] == "\u300c" for line in lines)


def test_width_counts_columns_and_lines_end_between_pieces() -> None:
    assert width("abc") == 3
    assert width("\u65e5\u672c") == 4
    assert width("e\u0301") == 1
    assert fit("\u65e5\u672c\u8a9e", 4) == ["\u65e5\u672c", "\u8a9e"]
    assert fit("e\u0301" * 5, 2) == ["e\u0301" * 2, "e\u0301" * 2, "e\u0301"]
    # What closes stays with what it closes, what opens with what it opens.
    text = "abc\u300c\u65e5\u672c\u300d\u3002def"
    assert pieces(text) == ["abc", "\u300c\u65e5", "\u672c\u300d\u3002", "def"]


# --- bad input ---


def test_overlapping_and_backward_times_are_repaired() -> None:
    segments = [
        TimedText("The first sentence is here.", 0, 5_000),
        TimedText("The second one overlaps it.", 2_000, 4_000),
        TimedText("The third has its times turned round.", 9_000, 8_000),
    ]
    cues = cues_from_segments(segments, RULES)
    check_rules(cues, RULES)
    text = " ".join(cue.text.replace("\n", " ") for cue in cues)
    assert text == " ".join(segment.text for segment in segments)


def test_nothing_gives_no_cue_and_a_valid_file() -> None:
    assert cues_from_segments([], RULES) == []
    assert cues_from_segments([TimedText("  \n ", 0, 10)], RULES) == []
    assert write_srt([]) == ""
    assert webvtt.from_string(write_vtt([])).captions == []


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"max_columns": 0}, "max_columns"),
        ({"max_lines": 99}, "max_lines"),
        ({"max_cps": 0}, "max_cps"),
        ({"min_gap_ms": -1}, "min_gap"),
        ({"min_duration_ms": 8_000}, "min_duration"),
    ],
)
def test_rules_that_nothing_can_keep_are_refused(rules: dict[str, int], field: str) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        SubtitleRules(**rules)
    assert caught.value.option == field


# --- files ---


def test_files_are_read_back_by_other_programs() -> None:
    cues = [
        SubtitleCue(1, 0, 1_234, "a <b> & c\nsecond --> line"),
        SubtitleCue(2, 3_599_999, 36_000_001, "\u65e5\u672c"),
    ]
    read = list(srt.parse(write_srt(cues)))
    assert [(cue.index, cue.start, cue.end) for cue in read] == [
        (cue.index, timedelta(milliseconds=cue.start_ms), timedelta(milliseconds=cue.end_ms))
        for cue in cues
    ]
    assert read[0].content == "a <b> & c\nsecond \u2192 line"
    vtt = webvtt.from_string(write_vtt(cues))
    assert [cue.start for cue in vtt] == ["00:00:00.000", "00:59:59.999"]
    assert [cue.end for cue in vtt] == ["00:00:01.234", "10:00:00.001"]
    assert vtt[0].raw_text == "a &lt;b&gt; &amp; c\nsecond --&gt; line"


# --- properties ---

texts = st.text(
    alphabet=st.one_of(
        st.sampled_from("aeou bcd,.!? \u65e5\u672c\u300c\u300d\u3002\u3001\u306e-"),
        st.characters(codec="utf-8"),
    ),
    max_size=150,
)
segments_of_text = st.lists(
    st.builds(
        TimedText,
        texts,
        st.integers(min_value=0, max_value=20_000),
        st.integers(min_value=0, max_value=20_000),
    ),
    max_size=6,
)
all_rules = st.builds(
    SubtitleRules,
    max_columns=st.integers(min_value=8, max_value=50),
    max_lines=st.integers(min_value=1, max_value=3),
    min_duration_ms=st.integers(min_value=0, max_value=1_500),
    max_duration_ms=st.integers(min_value=1_500, max_value=8_000),
    min_gap_ms=st.integers(min_value=0, max_value=200),
    max_cps=st.floats(min_value=5, max_value=40),
)


def visible(text: str) -> str:
    """As the cues show it: control characters are replaced, white space aside."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "\ufffd", "".join(text.split()))


@given(segments_of_text, all_rules)
def test_fast_cues_keep_text_order_and_rules(
    segments: list[TimedText], rules: SubtitleRules
) -> None:
    cues = cues_from_segments(segments, rules)
    check_rules(cues, rules)
    shown = "".join(bare(cue.text) for cue in cues)
    assert shown == "".join(visible(segment.text) for segment in segments)
    assert [cue.index for cue in srt.parse(write_srt(cues))] == [cue.index for cue in cues]
    assert len(webvtt.from_buffer(StringIO(write_vtt(cues)), "vtt")) == len(cues)


@given(texts, st.data(), all_rules)
def test_accurate_cues_keep_text_order_and_rules(
    text: str, data: st.DataObject, rules: SubtitleRules
) -> None:
    units: list[AlignedUnit] = []
    at_ms = 0
    for match in re.finditer(r"\w+", text):
        if data.draw(st.booleans()):
            continue
        start_ms = at_ms + data.draw(st.integers(min_value=0, max_value=3_000))
        at_ms = start_ms + data.draw(st.integers(min_value=1, max_value=1_000))
        units.append(AlignedUnit(match.group(), Granularity.WORD, *match.span(), start_ms, at_ms))
    cues = cues_from_units(text, units, rules, duration_ms=at_ms)
    check_rules(cues, rules)
    assert "".join(bare(cue.text) for cue in cues) == visible(text)


@pytest.mark.parametrize("mark", ["`", "\xad", "\u0301", "\u200d"])
def test_marks_wider_than_a_line_are_cut(mark: str) -> None:
    """What counts as a mark may take columns of its own."""
    text = mark * 300 + "x"
    cues = cues_from_segments([TimedText(text, 0, 60_000)], SubtitleRules())
    assert sum(cue.text.count(mark) for cue in cues) == 300
