"""Tells the loops that speech recognizers fall into ("the the the the the ...") from what people repeat.

Judged by time: text that nobody could say in the audio's length holds a loop, and the runs of repetitions that take
the most time are the loop. Where the length is not known, a run counts as a loop above the limit of the official
qwen-asr package, more than twenty times in a row.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_TIMES = 20
"""Times that a phrase may be said in a row at the fastest pace; the limit of the official package."""
_MIN_TIMES, _MIN_TIMES_OF_LONG, _LONG_UNITS = 5, 3, 4
"""Fewer repetitions are no run: people say "no, no, no, no". Of a phrase of several words, fewer are enough."""
_MAX_UNITS = 20
"""Longest phrase, in words or characters, whose repetition is looked for."""
_WORD = re.compile(r"\S+")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_KANA = re.compile("[\u3041-\u30ff\uff66-\uff9f]")
_UNSPACED = re.compile(f"{_HAN.pattern}|{_KANA.pattern}|[\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff]")
"""Characters of scripts that put no space between words: also Thai, Lao, Tibetan, Burmese, Khmer."""
_SHORTEST_WORD_MS = 125
"""Eight words a second: faster than laughter and than auctioneers."""
_SYLLABLE_MS = 110
"""Least time of a digit or of a Chinese character."""
_MORA_MS = 80
"""Least time of a kana."""
_LETTER_MS = 30
_ORDINARY_PACE = 2.0
"""What is said more than ``MAX_TIMES`` has to fit at an ordinary pace: so many times the shortest time."""


@dataclass(frozen=True, slots=True)
class _RepeatedUnit:
    """A word, or a character where words are not divided by spaces; ``key`` is what it is compared by."""

    begin: int
    end: int
    key: str
    shortest_ms: int


@dataclass(frozen=True, slots=True)
class _Run:
    """``times`` repetitions of ``period`` units from unit ``first`` on."""

    first: int
    period: int
    times: int
    shortest_ms: int

    @property
    def end(self) -> int:
        """Give the unit behind its last whole repetition."""
        return self.first + self.period * self.times


def collapse_repetitions(
    text: str, audio_ms: int | None = None, *, is_cut_off: bool = False
) -> str:
    """Shorten each loop of ``text`` to the last of its repetitions, with its punctuation.

    Words are compared without case and without punctuation at their edges. What can have been said is returned
    unchanged, byte for byte, however often it is repeated. Takes time in proportion to the text.

    Args:
        text: what a recognizer said.
        audio_ms: length of the audio that it was said of; None: not known.
        is_cut_off: the recognizer did not end the text, it was stopped; a run that the text ends in is then a loop.
    """
    units = _units(text)
    runs = _runs(units)
    if not runs:
        return text
    needed_ms = sum(unit.shortest_ms for unit in units)
    loops: list[_Run] = []
    for run in sorted(runs, key=lambda each: -each.shortest_ms):
        spare_ms = run.shortest_ms * (run.times - 1) // run.times
        if _is_loop(run, needed_ms, audio_ms) or (is_cut_off and _ends_in(run, len(units))):
            loops.append(run)
            needed_ms -= spare_ms
    return _without(text, units, loops) if loops else text


def _is_loop(run: _Run, needed_ms: int, audio_ms: int | None) -> bool:
    if audio_ms is None or not run.shortest_ms:  # signs are not said, and no audio holds them
        return run.times > MAX_TIMES
    pace = _ORDINARY_PACE if run.times > MAX_TIMES else 1.0
    return needed_ms + (pace - 1) * run.shortest_ms > audio_ms


def _ends_in(run: _Run, count: int) -> bool:
    """Whether the text ends in the run, or in the middle of one more repetition."""
    return count - run.end < run.period


def _without(text: str, units: Sequence[_RepeatedUnit], loops: Iterable[_Run]) -> str:
    kept: list[str] = []
    at = 0
    for run in sorted(loops, key=lambda each: each.first):
        kept.append(text[at : units[run.first].begin])
        at = units[run.first + run.period * (run.times - 1)].begin
    return "".join(kept) + text[at:]


def _units(text: str) -> list[_RepeatedUnit]:
    """Words; characters of words that are written without spaces, or longer than any word is."""
    units: list[_RepeatedUnit] = []
    for match in _WORD.finditer(text):
        begin, end = match.span()
        word = match[0]
        if len(word) > _MAX_UNITS or _UNSPACED.search(word):
            units += _characters(word, begin)
        else:
            shortest_ms = max(_SHORTEST_WORD_MS, sum(map(_character_ms, word)))
            units.append(_RepeatedUnit(begin, end, _key(word), shortest_ms))
    return units


def _characters(word: str, begin: int) -> list[_RepeatedUnit]:
    """Give each character with the marks that belong to it."""
    starts = [at for at, char in enumerate(word) if not at or not unicodedata.combining(char)]
    ends = [*starts[1:], len(word)]
    pieces = [(at, end, word[at:end]) for at, end in zip(starts, ends, strict=True)]
    return [
        _RepeatedUnit(begin + at, begin + end, piece.casefold(), sum(map(_character_ms, piece)))
        for at, end, piece in pieces
    ]


def _character_ms(char: str) -> int:
    if char.isdigit() or _HAN.match(char):
        return _SYLLABLE_MS
    if _KANA.match(char):
        return _MORA_MS
    return _LETTER_MS if char.isalpha() else 0


def _key(word: str) -> str:
    """Say what words are compared by: no case, and no punctuation at the edges."""
    begin, end = 0, len(word)
    while begin < end and not (word[begin].isalnum() or word[begin] == "_"):
        begin += 1
    while end > begin and not (word[end - 1].isalnum() or word[end - 1] == "_"):
        end -= 1
    return word[begin:end].casefold() or word


def _runs(units: Sequence[_RepeatedUnit]) -> list[_Run]:
    """Runs that do not overlap: of two that do, the one of the shorter phrase, then the earlier one."""
    numbers: dict[str, int] = {}
    keys = [numbers.setdefault(unit.key, len(numbers)) for unit in units]
    times_ms = [0]
    for unit in units:
        times_ms.append(times_ms[-1] + unit.shortest_ms)
    taken = bytearray(len(keys))
    runs: list[_Run] = []
    for period in range(1, min(_MAX_UNITS, len(keys) // _MIN_TIMES_OF_LONG) + 1):
        least = _MIN_TIMES_OF_LONG if period >= _LONG_UNITS else _MIN_TIMES
        first = 0
        for at in range(period, len(keys) + 1):
            if at < len(keys) and keys[at] == keys[at - period] and not taken[at]:
                continue
            times = (at - first) // period
            end = first + times * period
            if times >= least and not any(taken[first:end]):
                runs.append(_Run(first, period, times, times_ms[end] - times_ms[first]))
                taken[first:end] = b"\x01" * (end - first)
            first = at - period + 1
    return runs
