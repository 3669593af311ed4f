"""How text is cut into words, in every language of the aligner, and where the words stand."""

import unicodedata
from functools import partial

import pytest

from speech_service.domain.errors import InvalidOptionError, UnsupportedOptionError
from speech_service.engines.qwen3.aligner import rules
from speech_service.engines.qwen3.aligner.japanese import japanese_words, nagisa_segmenter
from speech_service.engines.qwen3.aligner.rules import word_rules
from speech_service.engines.qwen3.aligner.words import (
    AlignerWord,
    korean_dictionary,
    korean_words,
    spaced_words,
)
from speech_service.engines.qwen_release.recognition import TAGS
from tests.qwen_tiny.golden import read_golden

LANGUAGES = ("zh", "en", "yue", "fr", "de", "it", "ko", "pt", "ru", "es")


def spoken(words: list[AlignerWord]) -> list[str]:
    return [word.spoken for word in words]


def spans(text: str, words: list[AlignerWord]) -> list[str]:
    return [text[word.char_start : word.char_end] for word in words]


@pytest.mark.parametrize("case", read_golden("aligner").cases, ids=lambda case: case["name"])
def test_words_equal_those_of_the_official_package(case: dict[str, str]) -> None:
    tag, text = TAGS[case["language"].casefold()], case["text"]
    languages = LANGUAGES
    if tag == "ja":
        pytest.importorskip("nagisa", reason="Japanese words need nagisa")
        languages = (*LANGUAGES, "ja")
    words = word_rules(languages)(tag, text)(text)
    assert spoken(words) == case["words"]


@pytest.mark.parametrize(
    ("text", "cut", "given"),
    [
        ("Hello, world!", ["Hello", "world"], ["Hello", "world"]),
        ("well-rested 7:45", ["well-rested", "7:45"], ["wellrested", "745"]),
        ("don't ' rock 'n' roll", None, ["don't", "'", "rock", "'n'", "roll"]),
        (
            "we met 王先生,ok",
            ["we", "met", "王", "先", "生", "ok"],
            ["we", "met", "王", "先", "生", "ok"],
        ),
        ("\u3000a\n\tb\x85c ", ["a", "b", "c"], ["a", "b", "c"]),
        ("e\u0301te\u0301 x", ["e\u0301te\u0301", "x"], ["ete", "x"]),
        ("\U00020000\U0002b820a", ["\U00020000", "\U0002b820", "a"], None),
        ("... - \U0001f389 \u2192", [], []),
        ("", [], []),
    ],
)
def test_spaced_text_is_cut_at_spaces_and_ideographs(
    text: str, cut: list[str] | None, given: list[str] | None
) -> None:
    words = spaced_words(text)
    assert cut is None or spans(text, words) == cut
    assert given is None or spoken(words) == given


@pytest.mark.parametrize(
    ("text", "known", "given"),
    [
        ("가나다라 마바", "가나", ["가나", "다라", "마바"]),
        ("가나다라", "가나 가나다", ["가나다", "라"]),
        ("나가나 다라마바", "가나", ["나가나", "다라마바"]),
        ("가나다", "가나다 가나", ["가나다"]),
        ("가나. (가나다)", "가나 (가나", ["가나", "가나", "다"]),
        ("가나 ok3", "가 ok", ["가나", "ok", "3"]),
    ],
)
def test_korean_is_cut_behind_the_longest_known_beginning(
    text: str, known: str, given: list[str]
) -> None:
    assert spoken(korean_words(text, frozenset(known.split()))) == given


def test_the_korean_dictionary_is_what_the_rule_needs() -> None:
    known = korean_dictionary()
    assert len(known) == 16_867
    assert all(len(word) >= 2 and not any(map(str.isspace, word)) for word in known)


@pytest.mark.parametrize(
    ("text", "segments", "expected"),
    [
        ("東京の、天気", ["東京", "の", "、", "天気"], ["東京", "の", "天気"]),
        ("ｶﾞﾅ です", ["ガナ", "\u3000", "です"], ["ｶﾞﾅ", "です"]),
        ("\uff21\uff22㌢", ["AB", "センチ"], ["\uff21\uff22", "㌢"]),
        ("か\u3099く", ["がく"], ["か\u3099く"]),
        ("...", [], []),
    ],
)
def test_japanese_words_are_led_back_to_their_places(
    text: str, segments: list[str], expected: list[str]
) -> None:
    seen: list[str] = []

    def segment(plain: str) -> list[str]:
        seen.append(plain)
        return segments

    words = japanese_words(text, segment)
    assert spans(text, words) == expected
    assert not seen or seen == [unicodedata.normalize("NFKC", text)]


@pytest.mark.parametrize("segments", [["東"], ["東京", "都"], ["京東"], []])
def test_japanese_words_that_are_not_the_text_are_an_error(segments: list[str]) -> None:
    with pytest.raises(InvalidOptionError, match="text: cannot be cut into Japanese words"):
        japanese_words("東京", lambda _: segments)


def test_nagisa_cuts_as_it_should() -> None:
    pytest.importorskip("nagisa", reason="Japanese words need nagisa")
    words = japanese_words("今日は 天気ｶﾞﾅｲ。", nagisa_segmenter())
    assert "".join(spoken(words)) == "今日は天気ガナイ"


def test_a_language_selects_its_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "nagisa_segmenter", lambda: lambda text: [text[:1], text[1:]])
    rule = word_rules((*LANGUAGES, "ja"))
    assert rule("en-US", "x") is spaced_words
    assert rule("", "x y") is spaced_words
    for tag, function in (("ko-KR", korean_words), ("ja", japanese_words)):
        chosen = rule(tag, "x")
        assert isinstance(chosen, partial)
        assert chosen.func is function
    by_script = {"テスト": japanese_words, "안녕": korean_words}
    for text, function in by_script.items():
        chosen = rule("", text)
        assert isinstance(chosen, partial)
        assert chosen.func is function
        assert rule("en", text) is spaced_words


def test_a_language_that_the_model_lacks_is_refused() -> None:
    rule = word_rules(LANGUAGES)
    for language, text in (("sv", "hej"), ("ja", "x"), ("", "テスト")):
        with pytest.raises(UnsupportedOptionError, match=r"language: .*Allowed: zh, en"):
            rule(language, text)
