"""What the model's answers mean."""

import pytest

from speech_service.engines.qwen3.asr.output import AsrAnswer, parse
from speech_service.engines.qwen_release.recognition import NAMES, name_of, tags_of


@pytest.mark.parametrize(
    ("raw", "forced", "answer"),
    [
        ("language English<asr_text>Hello there.", "", AsrAnswer("Hello there.", "en")),
        ("language Cantonese<asr_text>你好", "", AsrAnswer("你好", "yue")),
        ("language None<asr_text>", "", AsrAnswer("", "")),
        ("language None<asr_text>but words", "", AsrAnswer("but words", "")),
        ("no header at all", "", AsrAnswer("no header at all", "")),
        (" text only ", "de", AsrAnswer("text only", "de")),
        (
            "language <asr_text> is not special here",
            "de",
            AsrAnswer("language <asr_text> is not special here", "de"),
        ),
        ("", "", AsrAnswer("", "")),
        ("lang", "", AsrAnswer("", "")),
        ("language Eng", "", AsrAnswer("", "")),
        ("language English<asr_text>" + "哈" * 30, "", AsrAnswer("哈" * 30, "en")),
        ("language English<asr_text>" + "no " * 4 + "way", "", AsrAnswer("no no no no way", "en")),
        ("language English<asr_text>" + "0 " * 9 + "end", "", AsrAnswer("0 " * 9 + "end", "en")),
    ],
)
def test_answers_are_read(raw: str, forced: str, answer: AsrAnswer) -> None:
    assert parse(raw, forced) == answer


def test_every_language_has_a_name_and_a_tag() -> None:
    assert len(NAMES) == 30
    assert tags_of(list(NAMES.values())) == tuple(NAMES)
    assert tags_of(["English", "Klingon"]) == ("en",)
    assert [name_of(tag) for tag in ("en-GB", "YUE", "zh-Hans", "")] == [
        "English",
        "Cantonese",
        "Chinese",
        "",
    ]
