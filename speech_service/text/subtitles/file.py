"""Reads SRT and WebVTT so that only the words can change: the file is kept line by line, byte for byte.

The kept libraries cannot do it. ``srt`` writes times, indices and what stands behind the times anew; ``webvtt-py``
drops notes, styles and settings that it does not know. Both serve the tests as the judges of what comes out.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from speech_service.domain.errors import InvalidOptionError, LimitExceededError

MAX_CUES = 20_000
MAX_CHARACTERS = 1_500_000
"""Of a file, times and line ends and all: some 30 hours of film."""
MAX_LINES = 200_000
MAX_CUE_CHARACTERS = 4_000
"""Of the words of one cue. A screen holds a tenth."""

_LINES = re.compile(r"[^\r\n]++(?:\r\n|\r|\n)?|\r\n|\r|\n")
_SRT_TIME = r"\d{1,4}:\d{1,2}:\d{1,2}(?:[,.]\d{1,3})?"
_VTT_TIME = r"(?:\d{2,}:)?[0-5]\d:[0-5]\d\.\d{3}"
_SRT_TIMES = re.compile(rf"[ \t]*{_SRT_TIME}[ \t]*-->[ \t]*{_SRT_TIME}(?:[ \t].*)?")
_VTT_TIMES = re.compile(rf"[ \t]*{_VTT_TIME}[ \t]*-->[ \t]*{_VTT_TIME}(?:[ \t].*)?")
_BEGINS_WITH_TIME = re.compile(r"\s*+-?\d++[:.,]\d")
_ENDS_WITH_TIME = re.compile(r"-->\s*+\d++[:.,]\d")
_INDEX = re.compile(r"\s*+-?\d++\s*+")
_NO_CUE = ("NOTE", "STYLE", "REGION")


class SubtitleFormat(Enum):
    """Formats of subtitle files."""

    SRT = "srt"
    WEBVTT = "vtt"


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Lines of words that stand together in a cue. ``cue`` counts the cues from 0; ``first`` is the line's place."""

    cue: int
    first: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SubtitleFile:
    """A file in lines. Only the lines of ``blocks`` hold words; all others are written as they were read."""

    kind: SubtitleFormat
    raw: tuple[str, ...]
    """Lines with their ends."""
    time_lines: tuple[int, ...]
    """Places of the time lines, one for each cue."""
    blocks: tuple[TextBlock, ...]

    @property
    def cue_count(self) -> int:
        """How many cues the file has, empty ones too."""
        return len(self.time_lines)

    def render(self, words: Mapping[int, Sequence[str]]) -> str:
        """The file with other words in some blocks.

        Args:
            words: lines by the place of the block in ``blocks``. Blank lines are left out, and what reads as a time or
                would be taken for a cue's number is made harmless: a file always has the cues that it had.
        """
        out = list(self.raw)
        for number, lines in words.items():
            block = self.blocks[number]
            safe = [_harmless(line) for line in lines if line.strip()]
            last = block.first + len(block.lines) - 1
            if not safe or (_INDEX.fullmatch(safe[-1]) and self._takes_number(last)):
                continue
            eol = _end(self.raw[block.first]) or "\n"
            out[block.first : last + 1] = [""] * len(block.lines)
            out[block.first] = eol.join(safe) + _end(self.raw[last])
        return "".join(out)

    def _takes_number(self, last: int) -> bool:
        """True where the cue after line ``last`` has no number: readers would take digits before its times for one."""
        after = bisect_right(self.time_lines, last)
        if after == len(self.time_lines):
            return False
        before = self.time_lines[after] - 1
        return before <= last or not _INDEX.fullmatch(self.raw[before].rstrip("\r\n"))


def parse(
    text: str,
    kind: SubtitleFormat,
    option: str = "subtitles.text",
    max_cues: int = MAX_CUES,
    max_characters: int = MAX_CHARACTERS,
) -> SubtitleFile:
    """Read a file. Overlapping cues, cues out of order, and empty ones are taken; so are missing numbers.

    Args:
        text: the whole file; a byte order mark and any line ends are kept.
        kind: its format.
        option: what the text is to the request, for errors.
        max_cues: more are refused.
        max_characters: a longer file is refused before it is looked at.

    Raises:
        InvalidOptionError: it is no such file; the error names the line.
        LimitExceededError: it is too long, or has too many lines or cues, or too long a cue.
    """
    if len(text) > max_characters:
        raise LimitExceededError(option, "max_subtitle_characters", max_characters)
    if text.count("\n") + text.count("\r") > 2 * MAX_LINES:  # before there is an object for each
        raise LimitExceededError(option, "max_lines", MAX_LINES)
    raw = tuple(_LINES.findall(text))
    if len(raw) > MAX_LINES:
        raise LimitExceededError(option, "max_lines", MAX_LINES)
    lines = [line.rstrip("\r\n") for line in raw]
    if lines:
        lines[0] = lines[0].removeprefix("\ufeff")
    if not any(line.strip() for line in lines):
        raise InvalidOptionError(option, "is empty", "a subtitle file with at least one cue")
    read = _read_srt if kind is SubtitleFormat.SRT else _read_vtt
    time_lines, blocks = read(lines, option)
    if not time_lines:
        raise InvalidOptionError(option, "holds no cue", "a subtitle file with at least one cue")
    if len(time_lines) > max_cues:
        raise LimitExceededError(option, "max_cues", max_cues)
    for block in blocks:
        if sum(map(len, block.lines)) > MAX_CUE_CHARACTERS:
            problem = f"line {block.first + 1} begins a cue that is too long"
            raise LimitExceededError(option, "max_cue_characters", MAX_CUE_CHARACTERS, problem)
    return SubtitleFile(kind, raw, tuple(time_lines), tuple(blocks))


def _is_almost_times(line: str) -> bool:
    """True for what was meant as a time line."""
    begins = _BEGINS_WITH_TIME.match(line)
    if begins is not None and "->" in line[begins.end() :]:
        return True
    return _ENDS_WITH_TIME.search(line) is not None


def _read_srt(lines: Sequence[str], option: str) -> tuple[list[int], list[TextBlock]]:
    """A cue goes from its time line to the next one's number; blank lines inside it are taken, as players do."""
    time_lines: list[int] = []
    for at, line in enumerate(lines):
        if "->" not in line:
            continue
        if _SRT_TIMES.fullmatch(line):
            time_lines.append(at)
        elif _is_almost_times(line):
            raise _malformed(option, at, "is not a time line", "00:00:01,000 --> 00:00:02,500")
    starts = [_start_of(lines, at) for at in time_lines]
    for at, line in enumerate(lines[: starts[0] if starts else 0]):
        if line.strip():
            raise _malformed(option, at, "stands before the first cue", "a cue's number or times")
    blocks: list[TextBlock] = []
    for cue, at in enumerate(time_lines):
        end = starts[cue + 1] if cue + 1 < len(starts) else len(lines)
        blocks += _blocks(lines, cue, at + 1, end)
    return time_lines, blocks


def _start_of(lines: Sequence[str], time_line: int) -> int:
    """Place of the cue's number, where the line before its times is one."""
    has_number = time_line > 0 and _INDEX.fullmatch(lines[time_line - 1])
    return time_line - 1 if has_number else time_line


def _read_vtt(lines: Sequence[str], option: str) -> tuple[list[int], list[TextBlock]]:
    if not re.fullmatch(r"WEBVTT(?:[ \t].*)?", lines[0]):
        raise _malformed(option, 0, "is not the header of WebVTT", "WEBVTT")
    time_lines: list[int] = []
    blocks: list[TextBlock] = []
    at = 0
    while at < len(lines):
        end = next((i for i in range(at, len(lines)) if not lines[i].strip()), len(lines))
        times = _vtt_times(lines, at, end, option)
        if times is not None:
            blocks += _blocks(lines, len(time_lines), times + 1, end)
            time_lines.append(times)
        at = end + 1
    return time_lines, blocks


def _vtt_times(lines: Sequence[str], begin: int, end: int, option: str) -> int | None:
    """Place of the time line of the block of lines, if it is a cue."""
    if begin == end or begin == 0 or lines[begin].split(maxsplit=1)[0] in _NO_CUE:
        return None
    for at in range(begin, end):
        if "-->" not in lines[at]:
            continue
        if at > begin + 1 or not _VTT_TIMES.fullmatch(lines[at]):
            raise _malformed(option, at, "is not a time line", "00:01.000 --> 00:02.500")
        if any("-->" in line for line in lines[at + 1 : end]):
            raise _malformed(
                option, at + 1, "follows a time line without words or a blank line", ""
            )
        return at
    return None


def _blocks(lines: Sequence[str], cue: int, begin: int, end: int) -> list[TextBlock]:
    blocks: list[TextBlock] = []
    first = None
    for at in range(begin, end + 1):
        if at < end and lines[at].strip():
            first = at if first is None else first
        elif first is not None:
            blocks.append(TextBlock(cue, first, tuple(lines[first:at])))
            first = None
    return blocks


def _harmless(line: str) -> str:
    """The line without what a reader could take for structure."""
    flat = " ".join(re.split(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029\0]+", line)).strip()
    return re.sub(r"(?<!-)-++>", "\u2192", flat)


def _end(raw_line: str) -> str:
    return raw_line[len(raw_line.rstrip("\r\n")) :]


def _malformed(option: str, at: int, problem: str, allowed: str) -> InvalidOptionError:
    return InvalidOptionError(
        option, f"line {at + 1} {problem}", allowed, reason="INVALID_SUBTITLES"
    )
