"""Language tags: normal form, and which serves which."""

import pytest

from speech_service.domain.errors import InvalidOptionError
from speech_service.text import bcp47


@pytest.mark.parametrize(
    ("tag", "normal"),
    [
        ("en", "en"), ("EN_us", "en-US"), (" pt-br ", "pt-BR"), ("eng", "en"), ("iw", "he"), ("sh", "sr-Latn"),
        ("zh-yue", "yue"), ("zh-hans-cn", "zh-Hans-CN"), ("i-klingon", "tlh"), ("de-1996", "de-1996"),
        ("en-US-u-ca-gregory", "en-US-u-ca-gregory"),
    ],
)  # fmt: skip
def test_normal_form(tag: str, normal: str) -> None:
    assert bcp47.normalize(tag) == normal


@pytest.mark.parametrize(
    "tag",
    [
        "",
        "x",
        "english",
        "en--us",
        "*",
        "xx",
        "x-private",
        "en-XYZW",
        "a" * 9,
        "en-" + "a" * 999,
        "日本",
        "\ud800",
    ],
)
def test_what_is_no_tag(tag: str) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        bcp47.normalize(tag, "config.source_language")
    assert caught.value.option == "config.source_language"


@pytest.mark.parametrize(
    ("available", "wanted", "expected"),
    [
        ("pt", "pt-BR", True), ("pt-BR", "pt", True), ("pt-BR", "pt-PT", True), ("pt", "gl", False),
        ("en", "eng", True),
        ("zh", "zh-CN", True), ("zh", "zh-TW", False), ("zh-Hant", "zh-TW", True), ("zh", "yue", False),
        ("zh", "cmn", True), ("sr", "sr-Latn", False), ("no", "nb", True), ("nb", "no", True), ("no", "nn", False),
        ("nn", "nn", True), ("no", "da", False), ("*", "tlh", True), ("en", "nonsense!", False),
    ],
)  # fmt: skip
def test_serving(available: str, wanted: str, expected: bool) -> None:
    assert bcp47.serves(available, wanted) is expected


def test_the_same_tag_is_the_best_match() -> None:
    assert bcp47.best_match("pt-br", ["en", "pt-PT", "pt-BR"]) == "pt-BR"
    assert bcp47.best_match("pt-AO", ["en", "pt-PT", "pt-BR"]) == "pt-PT"
    assert bcp47.best_match("de", ["en", "pt"]) is None
    assert bcp47.best_match("?", ["en"]) is None


def test_names_are_for_prompts() -> None:
    assert bcp47.english_name("pt-br") == "Brazilian Portuguese"
    assert bcp47.english_name("de-AT") == "German"
    assert bcp47.english_name("sr-Latn-RS") == "Serbian in Latin script"
    assert bcp47.english_name("tlh") == ""
