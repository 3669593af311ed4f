"""Repairs the loops that speech recognizers fall into ("the the the the the ...")."""

import re

_MAX_WORDS = 12
"""Longest phrase whose repetition is looked for."""
_WORD = re.compile(r"\S+")
_BEGIN = re.compile(r"\W*+")


def collapse_repetitions(text: str, max_repeats: int = 4) -> str:
    """Shorten every phrase that is said more than ``max_repeats`` times in a row to one occurrence.

    Words are compared without case and without punctuation at their edges. Text without such a run is returned
    unchanged, byte for byte: people do say "no, no, no". The last occurrence is kept, with its punctuation.

    Args:
        text: what a recognizer said.
        max_repeats: repetitions that ordinary speech may have; at least 1.
    """
    spans = [match.span() for match in _WORD.finditer(text)]
    keys = [_key(text[a:b]) for a, b in spans]
    kept: list[str] = []
    begin, at = 0, 0
    while at < len(keys):
        run = _run_at(keys, at, max_repeats)
        if run is None:
            at += 1
            continue
        period, count = run
        kept.append(text[begin : spans[at][0]])
        at += period * (count - 1)
        begin = spans[at][0]
        at += period
    return "".join(kept) + text[begin:] if kept else text


def _key(word: str) -> str:
    """What words are compared by: no case, and no punctuation at the edges."""
    begin = _BEGIN.match(word)
    core = word[begin.end() :] if begin else word
    end = len(core)
    while end and not (core[end - 1].isalnum() or core[end - 1] == "_"):
        end -= 1
    return core[:end].casefold() or word


def _run_at(keys: list[str], at: int, max_repeats: int) -> tuple[int, int] | None:
    """Shortest phrase at ``at`` that repeats too often: its length in words, and how often."""
    for period in range(1, _MAX_WORDS + 1):
        if at + period * (max_repeats + 1) > len(keys):
            return None
        count, end = 1, at + period
        while keys[end : end + period] == keys[at : at + period]:
            count, end = count + 1, end + period
        if count > max_repeats:
            return period, count
    return None
