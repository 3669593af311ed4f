"""Several texts in one question to a language model, and its answer taken apart again, whatever it looks like.

The question is a JSON object of numbered texts; the answer should be one with the same numbers. What is accepted is
matched by number and never by position, but for a plain list of exactly as many texts. A text that the answer does not
have, or has twice with different words, is simply not in the result: the caller asks again.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import cast

_WORD = re.compile(r"[^\W\d_]+")
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"```[\w-]*+[ \t]*+\r?\n?(.*?)(?:```|\Z)", re.DOTALL)
_PAIR = re.compile(r'"(\d{1,6})"\s*+:\s*+("(?:[^"\\\x00-\x1f]|\\.)*+")')
_LINE = re.compile(
    r"^[ \t]*(?:[\[(#*]{0,3})(\d{1,6})(?:[\])*]{0,3}[.:|)\]]|\])\*{0,2}[ \t]*(\S.*)$", re.MULTILINE
)
_NUMBER_KEYS = ("id", "index", "number", "n", "key")
_TEXT_KEYS = ("text", "translation", "target", "value", "translated")
_INTRO_CHARS = 120
_ECHO_WORDS = 4
"""Different words from which on a text that comes back unchanged was not translated."""
_MAX_GROWTH = 8
_SPARE_CHARS = 200


def question(texts: Sequence[str]) -> str:
    """Give the texts as a JSON object; the first is number 1."""
    numbered = {str(number): text for number, text in enumerate(texts, start=1)}
    return json.dumps(numbered, ensure_ascii=False, indent=0)


def answers(answer: str, count: int) -> dict[int, str]:
    """Texts by number, from 1 to ``count``; those that the answer does not clearly have are missing.

    Takes JSON, fenced or with prose around it, objects and lists, cut off or whole, and numbered lines.
    """
    answer = _THOUGHT.sub("", answer)
    for candidate in _json_candidates(answer):
        try:
            value: object = json.loads(candidate, strict=False, object_pairs_hook=_pairs)
        except (ValueError, RecursionError):
            continue
        found = _from_json(value, count)
        if found:
            return found
    found = _unique(((int(n), cast(str, json.loads(t))) for n, t in _PAIR.findall(answer)), count)
    return found or _unique(((int(n), text) for n, text in _LINE.findall(answer)), count)


def single(answer: str, text: str) -> str | None:
    """Give the answer to one text that was asked for without a number; None where it is not clear what the answer is.

    A fence, an introduction that ends with a colon, and quotes that the text does not have are taken off. An answer of
    more paragraphs than the text has is not trusted.
    """
    answer = _THOUGHT.sub("", answer).strip()
    fences = _FENCE.findall(answer)
    if len(fences) == 1 and "```" not in text:
        answer = fences[0].strip()
    first, _, rest = answer.partition("\n")
    if rest.strip() and first.rstrip().endswith(":") and len(first) < _INTRO_CHARS:
        answer = answer if text.partition("\n")[0].rstrip().endswith(":") else rest.strip()
    if len(answer) > 1 and answer[0] + answer[-1] in ('""', "“”", "«»") and text[:1] != answer[0]:
        answer = answer[1:-1].strip()
    if not answer or _paragraphs(answer) > _paragraphs(text) or not plausible(text, answer):
        return None
    return answer


def plausible(text: str, answer: str, may_echo: bool = False) -> bool:
    """False where an answer cannot be a translation of the text: it is blank, many times as long, or the text itself.

    Args:
        text: what was asked.
        answer: what came back.
        may_echo: True where the text itself may be right. A few words always may: names, words that languages share.
    """
    if not answer.strip() or len(answer) > _MAX_GROWTH * len(text) + _SPARE_CHARS:
        return False
    words = _WORD.findall(text.casefold())
    is_echo = words == _WORD.findall(answer.casefold())
    return may_echo or not is_echo or len(set(words)) < _ECHO_WORDS


def _paragraphs(text: str) -> int:
    lines = ["", *text.strip().split("\n")]
    begun = sum(bool(line.strip()) and not before.strip() for before, line in pairwise(lines))
    return max(1, begun)


def _json_candidates(answer: str) -> Iterator[str]:
    yield from _FENCE.findall(answer)
    for opening, closing in (("{", "}"), ("[", "]")):
        begin, end = answer.find(opening), answer.rfind(closing)
        if 0 <= begin < end:
            yield answer[begin : end + 1]


class _Pairs(list[tuple[str, object]]):
    """A JSON object as its pairs: one with a key twice is no dict."""


def _pairs(pairs: list[tuple[str, object]]) -> _Pairs:
    return _Pairs(pairs)


def _from_json(value: object, count: int) -> dict[int, str]:
    if isinstance(value, _Pairs):
        numbered = [
            (int(k), _text(v)) for k, v in value if k.isascii() and k.isdigit() and len(k) < 7
        ]
        if numbered:
            return _unique(numbered, count)
        inner = [cast(object, v) for _, v in value if isinstance(v, list)]
        return _from_json(inner[0], count) if len(inner) == 1 else {}
    if not isinstance(value, list):
        return {}
    items = cast(list[object], value)
    if all(isinstance(item, str) for item in items):
        return (
            _unique(enumerate(cast(list[str], items), start=1), count)
            if len(items) == count
            else {}
        )
    return _unique((_entry(dict(item)) for item in items if isinstance(item, _Pairs)), count)


def _entry(item: Mapping[str, object]) -> tuple[int, str | None]:
    number = next((item[key] for key in _NUMBER_KEYS if key in item), None)
    text = next((item[key] for key in _TEXT_KEYS if key in item), None)
    if number is None and len(item) == 1:  # {"1": "..."}
        number, text = next(iter(item.items()))
    if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) < 7:
        number = int(number)
    return (number if isinstance(number, int) else 0, _text(text))


def _text(value: object) -> str | None:
    if isinstance(value, _Pairs) and len(value) == 1:
        value = value[0][1]
    return value if isinstance(value, str) else None


def _unique(
    pairs: Iterable[tuple[int, str | None]],
    count: int,
) -> dict[int, str]:
    """Give the pairs whose number was asked for and is there once; the same text twice counts as once."""
    found: dict[int, str] = {}
    doubtful: set[int] = set()
    for number, text in pairs:
        if not 1 <= number <= count or text is None or not text.strip():
            continue
        text = text.strip()
        if found.setdefault(number, text) != text:
            doubtful.add(number)
    return {number: text for number, text in found.items() if number not in doubtful}
