"""Subtitles: cues from timed text, and the files that hold them.

``accurate`` cues come from the aligner's times (:func:`cues_from_units`), ``fast`` ones from segments whose time is
shared out by characters (:func:`cues_from_segments`). Server and command line make them here, with the same rules.
"""

from collections.abc import Iterable, Sequence

from speech_service.domain.alignment import AlignedUnit, Granularity, UnalignedReason, UnalignedSpan
from speech_service.domain.transcript import TranscriptResult
from speech_service.domain.translation import SubtitleCue
from speech_service.text.subtitles.atoms import Atom, TimedText, atoms_of_segments, atoms_of_units
from speech_service.text.subtitles.layout import group, joined, line_break
from speech_service.text.subtitles.rules import SubtitleRules

_FLOOR_MS = 100
"""A cue keeps at least this, also where words leave it no time; those after it come later then."""


def cues_from_units(
    text: str,
    units: Sequence[AlignedUnit],
    rules: SubtitleRules,
    duration_ms: int | None = None,
) -> list[SubtitleCue]:
    """Cues of ``text`` with an aligner's times.

    Args:
        text: the whole text; every character that is not white space is in a cue, placed or not.
        units: its words or characters with times, in order; phones are passed over.
        rules: layout and timing.
        duration_ms: length of the audio; no cue is made to last beyond it where it would end before.
    """
    spoken = [unit for unit in units if unit.granularity.value != "phone"]
    return _cues(atoms_of_units(text, spoken, rules.max_columns), rules, duration_ms)


def cues_from_segments(
    segments: Sequence[TimedText], rules: SubtitleRules, duration_ms: int | None = None
) -> list[SubtitleCue]:
    """Cues of segments, each segment's time shared out by characters.

    Args:
        segments: in the order of the text. Overlapping times are repaired: a segment starts no earlier than the one
            before it ended.
        rules: layout and timing.
        duration_ms: as for :func:`cues_from_units`.
    """
    repaired: list[TimedText] = []
    last_ms = 0
    for segment in segments:
        start_ms = max(segment.start_ms, last_ms)
        last_ms = max(segment.end_ms, start_ms)
        repaired.append(TimedText(segment.text, start_ms, last_ms))
    return _cues(atoms_of_segments(repaired, rules.max_columns), rules, duration_ms)


def cues_of_transcript(
    results: Sequence[TranscriptResult],
    rules: SubtitleRules,
    duration_ms: int | None = None,
    *,
    accurate: bool,
) -> list[SubtitleCue]:
    """Cues of recognized segments.

    Args:
        results: FINALs in order of time.
        rules: layout and timing.
        duration_ms: as for :func:`cues_from_units`.
        accurate: by the times of the words, where they are known; else each segment's time is shared out.
    """
    if not accurate:
        segments = [TimedText(r.text, r.start_ms, r.end_ms) for r in results]
        return cues_from_segments(segments, rules, duration_ms)
    units: list[AlignedUnit] = []
    texts: list[str] = []
    base = 0
    for result in results:
        units += _units_of(result, base)
        texts.append(result.text)
        base += len(result.text) + 1
    return cues_from_units("\n".join(texts), units, rules, duration_ms)


def cues_of_alignment(
    text: str,
    units: Sequence[AlignedUnit],
    spans: Sequence[UnalignedSpan],
    rules: SubtitleRules,
    duration_ms: int | None = None,
) -> list[SubtitleCue]:
    """Cues of an aligned text. Words that nobody says are not shown."""
    spoken = list(text)
    for span in spans:
        if span.reason is UnalignedReason.TEXT_NOT_SPOKEN or not units:
            spoken[span.char_start : span.char_end] = " " * (span.char_end - span.char_start)
    shown = "".join(spoken) if units else ""
    return cues_from_units(shown, units, rules, duration_ms)


def write_srt(cues: Iterable[SubtitleCue]) -> str:
    """Give a SubRip file: UTF-8 text with ``\\n`` line ends, empty without cues."""
    return "".join(
        f"{cue.index}\n{_time(cue.start_ms, ',')} --> {_time(cue.end_ms, ',')}\n{_srt(cue.text)}\n\n"
        for cue in cues
    )


def write_vtt(cues: Iterable[SubtitleCue]) -> str:
    """Write a WebVTT file."""
    return "WEBVTT\n\n" + "".join(
        f"{cue.index}\n{_time(cue.start_ms, '.')} --> {_time(cue.end_ms, '.')}\n{_vtt(cue.text)}\n\n"
        for cue in cues
    )


def _units_of(result: TranscriptResult, base: int) -> list[AlignedUnit]:
    """Give the words of a segment as units; one unit for all of it where none was placed."""
    places = [(w.char_start, w.char_end, w.start_ms, w.end_ms) for w in result.words]
    if not places and result.text:
        places = [(0, len(result.text), result.start_ms, max(result.end_ms, result.start_ms + 1))]
    return [
        AlignedUnit(
            result.text[begin:end], Granularity.WORD, base + begin, base + end, start_ms, end_ms
        )
        for begin, end, start_ms, end_ms in places
    ]


def _cues(
    atoms: Sequence[Atom], rules: SubtitleRules, duration_ms: int | None
) -> list[SubtitleCue]:
    groups = group(atoms, rules)
    cues: list[SubtitleCue] = []
    starts = _starts(groups, rules)
    for number, (cue, start_ms) in enumerate(zip(groups, starts, strict=True)):
        next_ms = starts[number + 1] if number + 1 < len(starts) else None
        end_ms = _end(cue, start_ms, next_ms, rules, duration_ms)
        text = "\n".join(line_break(cue, rules))
        cues.append(SubtitleCue(number + 1, start_ms, end_ms, text))
    return cues


def _starts(groups: Sequence[Sequence[Atom]], rules: SubtitleRules) -> list[int]:
    """Find when cues appear: with their first word, later only where the cue before would have no time at all."""
    starts: list[int] = []
    for cue in groups:
        earliest = starts[-1] + _FLOOR_MS + rules.min_gap_ms if starts else 0
        starts.append(max(earliest, round(cue[0].start_ms)))
    return starts


def _end(
    cue: Sequence[Atom],
    start_ms: int,
    next_ms: int | None,
    rules: SubtitleRules,
    duration_ms: int | None,
) -> int:
    """Find when a cue goes: after its words, and later if it would be too short or too fast and there is room."""
    spoken = max(round(cue[-1].end_ms), start_ms + _FLOOR_MS)
    to_read = start_ms + round(len(joined(cue)) / rules.max_cps * 1000 + 0.5)
    wanted = max(spoken, to_read, start_ms + rules.min_duration_ms)
    latest = start_ms + rules.max_duration_ms
    if next_ms is not None:
        latest = min(latest, next_ms - rules.min_gap_ms)
    elif duration_ms is not None:
        latest = min(latest, max(spoken, duration_ms))
    return max(start_ms + 1, min(wanted, latest))


def _time(ms: int, comma: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{comma}{ms:03}"


def _srt(text: str) -> str:
    """SubRip has no escapes: an arrow, which ends a cue's text for some readers, is written as the sign."""
    return text.replace("-->", "\u2192")


def _vtt(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
