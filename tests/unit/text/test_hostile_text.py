"""Long text made to slow readers down takes them no time."""

import time
from collections.abc import Callable

import pytest

from speech_service.domain.errors import InvalidOptionError
from speech_service.domain.translation import GlossaryEntry
from speech_service.text import llm_answers as numbered
from speech_service.text import signs
from speech_service.text.placeholders import (
    FORMS,
    Protected,
    fragments,
    mask,
    protected,
    terms_for,
)
from speech_service.text.script import guess_by_script
from speech_service.text.sentences.pieces import chunks, cut, cut_around
from speech_service.text.subtitles.cue_text import dress, undress
from speech_service.text.subtitles.file import SubtitleFormat, parse
from speech_service.text.subtitles.translate import SubtitleTranslation
from speech_service.text.typography import write_plainly

LENGTH = 10_000
HOSTILE = (
    "a", " ", ".", "-", "<", ">",
    "<a", "a.", "Dr. ", "a@", '"', "\\", "[", "{", '{"1":', "1.", "1\n", "\n", "\r", "\ufeff",
    "♪", "♪ ", "😀", "世", "```", "<think>", "-->", "00:00:01,000 --> ", "! ", ", ", "http://",
    "{ {} ", "&#", "%(", "`", "a/", "12 ", "\u2014", "a_", "--a ", "1.a", "\xf1 ", "aa.a",
)  # fmt: skip
TERMS = terms_for([GlossaryEntry("a b", target="c"), GlossaryEntry("世", target="d")], "pt")


KNOWN = frozenset("abc .1")


def spans(text: str) -> list[Protected]:
    return protected(text, TERMS, signs.tells(text, KNOWN))


def subtitles(text: str) -> None:
    head = "1\n00:00:01,000 --> 00:00:02,000\n"
    for source, kind in (
        (head + text, SubtitleFormat.SRT),
        ("WEBVTT\n\n" + text, SubtitleFormat.WEBVTT),
        (text, SubtitleFormat.SRT),
    ):
        try:
            translation = SubtitleTranslation(parse(source, kind))
        except InvalidOptionError:
            continue
        while batch := translation.next_batch():
            translation.answer(batch.batch_id, batch.texts)
        translation.result()


def cues(text: str) -> None:
    for unit in undress([text, text], SubtitleFormat.WEBVTT):
        dress(unit, text, SubtitleFormat.WEBVTT)


READERS: tuple[Callable[[str], object], ...] = (
    lambda text: cut(text, 250),
    lambda text: chunks(text, 3000),
    lambda text: mask(text[:3000], spans(text[:3000]), FORMS[0]),
    lambda text: fragments(text[:20_000], spans(text[:20_000])),
    lambda text: signs.tells(text, KNOWN),
    signs.loose,
    lambda text: signs.comes_through(text[:20_000], text[:20_000]),
    write_plainly,
    lambda text: cut_around(text, signs.tells(text), 250),
    lambda text: numbered.answers(text, 20),
    lambda text: numbered.single(text, "hello"),
    guess_by_script,
    subtitles,
    cues,
)


@pytest.mark.parametrize("part", HOSTILE)
def test_it_takes_no_time(part: str) -> None:
    text = part * (LENGTH // len(part))
    for number, reader in enumerate(READERS):
        begin_s = time.thread_time()
        reader(text)
        assert time.thread_time() - begin_s < 0.25, (number, part)
