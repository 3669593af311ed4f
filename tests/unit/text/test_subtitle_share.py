"""Translations shared out among the cues of their source."""

import random

from speech_service.domain.translation import SubtitleCue
from speech_service.text.subtitles.atoms import TimedText
from speech_service.text.subtitles.rules import SubtitleRules
from speech_service.text.subtitles.share import share_out
from speech_service.text.subtitles.writing import cues_from_segments

RULES = SubtitleRules()


def test_cues_keep_times_and_numbers() -> None:
    cues = [SubtitleCue(1, 0, 900, "Good morning"), SubtitleCue(2, 1000, 2000, "my dear friend")]
    shared = share_out(cues, [("Good morning my dear friend", "Bom dia meu amigo")], RULES)
    assert shared == [
        SubtitleCue(1, 0, 900, "Bom dia"),
        SubtitleCue(2, 1000, 2000, "meu amigo"),
    ]


def test_a_cue_of_two_segments() -> None:
    cues = [SubtitleCue(1, 0, 900, "One. Two.")]
    assert share_out(cues, [("One.", "Um."), ("Two.", "Dois.")], RULES)[0].text == "Um. Dois."


def test_sentences_stay_whole() -> None:
    cues = [SubtitleCue(1, 0, 9, "The epoch of belief."), SubtitleCue(2, 9, 20, "The other epoch.")]
    source = "The epoch of belief. The other epoch."
    first, second = share_out(cues, [(source, "A crença. Era a outra época.")], RULES)
    assert (first.text, second.text) == ("A crença.", "Era a outra época.")


def test_text_without_spaces_is_cut_anywhere() -> None:
    cues = [SubtitleCue(1, 0, 9, "Good"), SubtitleCue(2, 9, 20, "morning")]
    first, second = share_out(cues, [("Good morning", "お早うございます")], RULES)
    assert first.text + second.text == "お早うございます"
    assert first.text


def test_too_few_words() -> None:
    cues = [SubtitleCue(n, n, n + 1, "word") for n in range(1, 4)]
    texts = [cue.text for cue in share_out(cues, [("word word word", "Wort")], RULES)]
    assert sorted(texts) == ["Wort", "\u2026", "\u2026"]
    assert share_out([], [], RULES) == []
    assert share_out(cues, [("word word word", "")], RULES)[0].text == "\u2026"


def test_every_word_is_somewhere() -> None:
    rng = random.Random(5)
    for _ in range(200):
        segments: list[TimedText] = []
        at_ms = 0
        for _ in range(rng.randint(1, 8)):
            words = " ".join("w" * rng.randint(1, 12) for _ in range(rng.randint(1, 60)))
            segments.append(TimedText(words, at_ms, at_ms + 300 * len(words)))
            at_ms += 300 * len(words) + 100
        cues = cues_from_segments(segments, RULES)
        pairs = [
            (s.text, " ".join("t" * rng.randint(1, 9) for _ in range(len(s.text) // 6 + 1)))
            for s in segments
        ]
        shared = share_out(cues, pairs, RULES)
        assert [(c.index, c.start_ms, c.end_ms) for c in shared] == [
            (c.index, c.start_ms, c.end_ms) for c in cues
        ]
        words = [w for cue in shared for w in cue.text.split() if w != "\u2026"]
        assert words == [word for _, text in pairs for word in text.split()]
