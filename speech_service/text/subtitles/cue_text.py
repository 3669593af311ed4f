"""The words of a cue without their dress: tags, dashes and notes are taken off before and put on after.

A cue with one speaker is one text, whatever its line breaks; one with a dash at each line is one text for each line.
Every function takes time in proportion to its text: repetitions give nothing back, ends are looked for from the end.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from speech_service.text.subtitles.display import is_unspaced, width
from speech_service.text.subtitles.file import SubtitleFormat
from speech_service.text.subtitles.rules import SubtitleRules

MAX_LINE_WIDTH = SubtitleRules().max_columns
"""Columns of a line that had room for more lines; the usual limit of subtitles."""

_MAX_LINES = 10
"""Most lines of a cue that is wrapped; no screen shows more."""
_MAX_LAYERS = 8
"""Most layers of tags, dashes and notes around the words; what is above that stays inside."""
_NOTES = "\u266a\u266b\u266c\u266d\u266e\u266f"
_DASH = re.compile(r"\s*+(?:[-\u2010-\u2015\u2022]|>>)\s*+(?=\S)")
_TAG = re.compile(r"</?[A-Za-z][^<>]*+>|</?\d[\d:.]*+>|\{\\[^{}]*+\}")
_TAG_KEPT = re.compile(f"({_TAG.pattern})")
_ENTITY = r"(?:[A-Za-z]{2,31}\d?|#\d{1,7}|#[xX][\da-fA-F]{1,6});"
_AMPERSAND = re.compile(f"&(?!{_ENTITY})")
_PLAIN_AMPERSAND = re.compile(f"&amp;(?!{_ENTITY})")
_TIME_TAG = re.compile(r"(<\d[\d:.]*+>)")
_WORD = re.compile(r"(?:<[^<>]*+>|[^\s<]|<)++")
_LEADING = re.compile(
    rf"\s*+(?:\{{\\[^{{}}]*+\}}|(?P<voice><v(?:\.[^<>\s]*+)?\s[^<>]*+>)|[{_NOTES}#]++(?=\s))\s*+"
)
_OPENING = re.compile(r"\s*+<([A-Za-z]++)[^<>]*+>")


@dataclass(frozen=True, slots=True)
class TimeTag:
    """A time inside the words of a WebVTT cue (karaoke); ``share`` of their letters, from 0 to 1, is before it."""

    tag: str
    share: float


@dataclass(frozen=True, slots=True)
class CueUnit:
    """One text to translate, and what stands around it."""

    before: str
    words: str
    after: str
    line_count: int
    times: tuple["TimeTag", ...] = ()

    @property
    def tags(self) -> list[str]:
        """Tags inside the words."""
        return _TAG.findall(self.words)

    @property
    def has_words(self) -> bool:
        """False for numbers, signs and music: there is nothing to translate."""
        return any(char.isalpha() for char in _TAG.sub("", self.words))


def undress(lines: Sequence[str], kind: SubtitleFormat) -> list[CueUnit]:
    """Give the texts of a block of lines. Times inside the words of WebVTT are no part of the words."""
    lines = [" ".join(line.split()) for line in lines]
    if len(lines) > 1 and sum(bool(_DASH.match(_TAG.sub("", line))) for line in lines) > 1:
        return [_unit(line, 1, kind) for line in lines]
    return [_unit(_joined(lines), len(lines), kind)]


def dress(
    unit: CueUnit, translation: str, kind: SubtitleFormat, with_tags: bool = True
) -> list[str]:
    """Lines of the unit's translation, as many as it had, one more where they would be too long.

    Args:
        unit: where the translation goes.
        translation: its words.
        kind: format of the file.
        with_tags: False leaves out the tags inside the words.
    """
    words = " ".join(translation.split())
    if not with_tags or not keeps_tags(unit, words):
        words = " ".join(_TAG.sub(" ", words).split())
    if kind is SubtitleFormat.WEBVTT:
        words = _timed(_escaped(words), unit.times)
    rows = wrap(words, unit.line_count)
    rows[0] = unit.before + rows[0]
    rows[-1] += unit.after
    return rows


def keeps_tags(unit: CueUnit, translation: str) -> bool:
    """True where the translation has the tags of the words, in their order, and no others."""
    return _TAG.findall(translation) == unit.tags


def wrap(words: str, line_count: int) -> list[str]:
    """Words in lines of about the same width: ``line_count``, or two where one would be wider than a screen takes."""
    wanted = max(min(line_count, _MAX_LINES), 2 if display_width(words) > MAX_LINE_WIDTH else 1)
    lines: list[str] = []
    for left in range(wanted, 1, -1):
        at = _break_near(words, left)
        if at is None:
            break
        lines.append(words[:at].rstrip())
        words = words[at:].lstrip()
    return [*lines, words]


def display_width(text: str) -> int:
    """Columns of the text without its tags."""
    return width(_TAG.sub("", text))


def _unit(text: str, line_count: int, kind: SubtitleFormat) -> CueUnit:
    before, after = "", ""
    times: tuple[TimeTag, ...] = ()
    if kind is SubtitleFormat.WEBVTT:
        text, times = _without_times(text)
    for _ in range(_MAX_LAYERS):
        begin, end = _dress_of(text)
        if begin == 0 and end == len(text):
            break
        before, text, after = before + text[:begin], text[begin:end], text[end:] + after
    core = text.strip()
    if core:
        lead = len(text) - len(text.lstrip())
        before, after = before + text[:lead], text[lead + len(core) :] + after
    words = _unescaped(core) if kind is SubtitleFormat.WEBVTT else core
    return CueUnit(before, words, after, line_count, times)


def _without_times(text: str) -> tuple[str, tuple[TimeTag, ...]]:
    """Give the text without the times inside it, and where they stood."""
    parts = _TIME_TAG.split(text)
    total = max(1, sum(map(_letters, parts[::2])))
    times: list[TimeTag] = []
    seen = 0
    for words, tag in zip(parts[::2], parts[1::2], strict=False):
        seen += _letters(words)
        times.append(TimeTag(tag, seen / total))
    return " ".join("".join(parts[::2]).split()), tuple(times)


def _timed(words: str, times: Sequence[TimeTag]) -> str:
    """Give the words with each time before the word that has about as many letters before it."""
    if not times:
        return words
    total = max(1, _letters(words))
    places: list[int] = []
    shares: list[float] = []
    seen = last = 0
    for match in _WORD.finditer(words):
        seen += _letters(words[last : match.start()])
        last = match.start()
        places.append(last)
        shares.append(seen / total)
    places.append(len(words))
    shares.append(1.0)
    tags_at: dict[int, str] = {}
    for time in times:
        at = min(bisect_left(shares, time.share), len(shares) - 1)
        is_nearer = at > 0 and time.share - shares[at - 1] <= shares[at] - time.share
        place = places[at - 1 if is_nearer else at]
        tags_at[place] = tags_at.get(place, "") + time.tag
    for place in sorted(tags_at, reverse=True):
        words = words[:place] + tags_at[place] + words[place:]
    return words


def _letters(text: str) -> int:
    """Characters of the text without its tags and spaces."""
    return len("".join(_TAG.sub("", text).split()))


def _dress_of(text: str) -> tuple[int, int]:
    """Find where the text begins and ends without its outermost dash, note, or pair of tags."""
    if leading := _DASH.match(text) or _LEADING.match(text):
        # A voice whose end is written stands around some of the words only, or is a pair of tags.
        is_inside = leading.re is _LEADING and leading["voice"] and "</v>" in text
        if not is_inside:
            return leading.end(), len(text)
    stripped = text.rstrip()
    words = stripped.rstrip(_NOTES)
    if len(words) < len(stripped):
        return 0, len(words.rstrip())
    if stripped.endswith("#") and stripped[-2:-1].isspace():
        return 0, len(stripped[:-1].rstrip())
    opening = _OPENING.match(text)
    if opening:
        closing = f"</{opening[1]}>"
        end = len(stripped) - len(closing)
        is_pair = end >= opening.end() and stripped.endswith(closing)
        if is_pair and closing not in text[opening.end() : end]:
            return opening.end(), end
    return 0, len(text)


def _joined(lines: Sequence[str]) -> str:
    """Lines of one speaker as one text; no space where Han or kana meet."""
    parts = [lines[0]]
    for before, line in pairwise(lines):
        meets = is_unspaced(before[-1:]) and is_unspaced(line[:1])
        parts.append(line if meets else f" {line}")
    return "".join(parts)


def _break_near(words: str, parts: int) -> int | None:
    """Give the space nearest to the end of the first of ``parts`` parts of one width; without any space, a place
    between two Han or kana."""
    tagged = {at for match in _TAG.finditer(words) for at in range(match.start() + 1, match.end())}
    places = {match.end() for match in re.finditer(r"\s+", words)} - tagged - {len(words)}
    if not places:
        places = {
            at
            for at in range(1, len(words))
            if is_unspaced(words[at - 1]) and is_unspaced(words[at])
        } - tagged
    widths = list(accumulate(map(width, words), initial=0))  # of tags too: a rough cut will do
    wanted = widths[-1] / parts
    return min(places, key=lambda at: (abs(widths[at] - wanted), at), default=None)


def _unescaped(words: str) -> str:
    """Words of WebVTT as they read. ``&lt;`` and ``&gt;`` stay, or they would make tags; so do other entities."""
    for entity, char in (("&nbsp;", " "), ("&lrm;", "\u200e"), ("&rlm;", "\u200f")):
        words = words.replace(entity, char)
    return _PLAIN_AMPERSAND.sub("&", words)


def _escaped(words: str) -> str:
    """Words for WebVTT: signs that it reads as marks are written as entities, tags stay."""
    parts = _TAG_KEPT.split(words)
    return "".join(
        part
        if number % 2
        else _AMPERSAND.sub("&amp;", part).replace("<", "&lt;").replace(">", "&gt;")
        for number, part in enumerate(parts)
    )
