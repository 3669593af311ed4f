"""Subtitle files that are wrong in some way, and those that only look so."""

import pytest

from speech_service.domain.errors import InvalidOptionError, LimitExceededError
from speech_service.text.subtitles.file import SubtitleFormat, parse

CUE = "1\n00:00:01,000 --> 00:00:02,000\nHello\n"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("tail", ["", "{0}", "{0}{0}{0}"])
def test_an_unchanged_file_is_the_same_bytes(end: str, tail: str) -> None:
    text = CUE.replace("\n", end) + tail.format(end)
    assert parse(text, SubtitleFormat.SRT).render({}) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("hello\n" + CUE, 1),
        ("1\n00:00:01,000 -> 00:00:02,000\nHello\n", 2),
        ("1\n00:00:01,000 --> \nHello\n", 2),
        (CUE + "\n2\n00:00:xx,000 --> 00:00:03,000\nHello\n", 6),
        (CUE + "\n2\n00:00:01,000 --> 00:00:03,0000\nHello\n", 6),
    ],
)
def test_a_malformed_srt_names_its_line(text: str, line: int) -> None:
    with pytest.raises(InvalidOptionError, match=f"line {line} ") as caught:
        parse(text, SubtitleFormat.SRT)
    assert caught.value.reason == "INVALID_SUBTITLES"


@pytest.mark.parametrize(
    "text",
    [
        "00:01.000 --> 00:02.000\nHello\n",
        "WEBVTTX\n\n00:01.000 --> 00:02.000\nHello\n",
        "WEBVTT\n\n00:01,000 --> 00:02,000\nHello\n",
        "WEBVTT\n\na\nb\n00:01.000 --> 00:02.000\nHello\n",
        "WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n00:03.000 --> 00:04.000\nBye\n",
    ],
)
def test_a_malformed_webvtt_is_refused(text: str) -> None:
    with pytest.raises(InvalidOptionError, match="line "):
        parse(text, SubtitleFormat.WEBVTT)


@pytest.mark.parametrize("text", ["", " \n\n", "\ufeff", "1\n\n2\n"])
def test_a_file_without_cues_is_refused(text: str) -> None:
    with pytest.raises(InvalidOptionError):
        parse(text, SubtitleFormat.SRT)


def test_more_cues_than_allowed_are_refused() -> None:
    with pytest.raises(LimitExceededError):
        parse(f"{CUE}\n" * 3, SubtitleFormat.SRT, max_cues=2)


def test_text_with_arrows_and_digits_is_text() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\nPress A -> B\n42\n\nand a blank line before\n\n" + CUE
    file = parse(text, SubtitleFormat.SRT)
    assert file.cue_count == 2
    assert [block.lines for block in file.blocks] == [
        ("Press A -> B", "42"),
        ("and a blank line before",),
        ("Hello",),
    ]
