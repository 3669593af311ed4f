"""What of a window's alignment will not change any more. Pure functions over text, samples and alignments."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from speech_service.domain.alignment import AlignedUnit, Alignment, UnalignedReason, UnalignedSpan
from speech_service.domain.audio import SAMPLES_PER_MS, samples_to_ms

TAIL_MS = 1_500
"""Units that end this close to the end of the audio so far may still move."""
BACK_MS = 100
"""Audio before the end of the last settled unit that the next window hears again."""
OVERLAP_MS = 10_000
"""Audio of a full window without a settled unit that the next window hears again."""
_CHARACTERS_PER_S = 40
_SPARE_CHARACTERS = 2_000
"""Nobody speaks faster: text beyond this cannot be in the window."""
_FIRST_WIDE = 0x2E80
"""From here on scripts are written without spaces."""


@dataclass(frozen=True, slots=True)
class Window:
    """Audio on the device with the text that may be in it. ``start`` and ``end`` count samples of the session."""

    work_id: str
    start: int
    end: int
    text: str
    text_base: int
    """Characters of the session's text before ``text``."""
    audio_ends: bool
    """Everything in it is to be settled."""
    text_ends: bool
    """No audio follows for text that was not placed."""
    full: bool
    """It cannot grow: what is at its start goes, placed or not."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What can be sent, and how much audio and text can be let go."""

    spans_before: tuple[UnalignedSpan, ...]
    """Spans that lie before the first unit."""
    units: tuple[AlignedUnit, ...]
    spans: tuple[UnalignedSpan, ...]
    samples: int
    characters: int


def settle(window: Window, alignment: Alignment, sent_ms: int) -> Settled:
    """Split off what is certain, in times and offsets of the session. ``sent_ms``: no unit may start before it."""
    length_ms = samples_to_ms(window.end - window.start)
    units, spans = alignment.units, alignment.unaligned
    if not window.audio_ends:
        units = units[: _certain(window, units, length_ms - TAIL_MS)]
    characters = max((unit.char_end for unit in units), default=0)
    if window.audio_ends:
        cut_ms, samples = length_ms, window.end - window.start
    elif units:
        cut_ms = max(unit.end_ms for unit in units)
        samples = max(0, cut_ms - BACK_MS) * SAMPLES_PER_MS
        if window.full:
            samples = max(samples, SAMPLES_PER_MS)
    else:
        cut_ms = max(1, length_ms - OVERLAP_MS) if window.full else 0
        samples = cut_ms * SAMPLES_PER_MS
    if window.text_ends:
        characters = len(window.text)
    kept = [span for span in spans if _is_certain(span, cut_ms, characters)]
    kept = [replace(span, end_ms=min(span.end_ms, max(cut_ms, span.start_ms))) for span in kept]
    offset_ms = samples_to_ms(window.start)
    moved = _moved_units(units, offset_ms, window.text_base, sent_ms)
    placed = [_moved_span(span, offset_ms, window.text_base, sent_ms) for span in kept]
    first = moved[0].char_start if moved else 0
    before = tuple(span for span in placed if moved and span.char_end <= first)
    after = tuple(span for span in placed if not moved or span.char_end > first)
    return Settled(before, moved, after, samples, characters)


def _certain(window: Window, units: Sequence[AlignedUnit], limit_ms: int) -> int:
    """How many units are certain; a word is never cut."""
    count = 0
    for index, unit in enumerate(units):
        if unit.end_ms > limit_ms:
            break
        following = units[index + 1] if index + 1 < len(units) else None
        if following is not None and following.char_start < unit.char_end:
            continue  # a phone of the same word follows
        if not _inside_word(window.text, unit.char_end):
            count = index + 1
    return count


def _inside_word(text: str, at: int) -> bool:
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    return before.isalnum() and after.isalnum() and max(ord(before), ord(after)) < _FIRST_WIDE


def _is_certain(span: UnalignedSpan, cut_ms: int, characters: int) -> bool:
    if span.char_start == span.char_end:
        return span.start_ms < cut_ms
    return span.char_end <= characters


def _moved_units(
    units: Sequence[AlignedUnit], offset_ms: int, text_base: int, sent_ms: int
) -> tuple[AlignedUnit, ...]:
    """In times and offsets of the session. A window hears the end of the last word again: nothing starts in it."""
    moved: list[AlignedUnit] = []
    for unit in units:
        start_ms = max(unit.start_ms + offset_ms, sent_ms)
        moved.append(
            replace(
                unit,
                start_ms=start_ms,
                end_ms=max(unit.end_ms + offset_ms, start_ms + 1),
                char_start=unit.char_start + text_base,
                char_end=unit.char_end + text_base,
            )
        )
    return tuple(moved)


def _moved_span(span: UnalignedSpan, offset_ms: int, text_base: int, sent_ms: int) -> UnalignedSpan:
    start_ms = max(span.start_ms + offset_ms, sent_ms)
    return replace(
        span,
        start_ms=start_ms,
        end_ms=max(span.end_ms + offset_ms, start_ms),
        char_start=span.char_start + text_base,
        char_end=span.char_end + text_base,
    )


def is_speakable(text: str, text_base: int) -> bool:
    """Whether there is anything to align. What is left behind the last word (a full stop, say) is nothing."""
    if not text_base:
        return bool(text.strip())
    return any(char.isalnum() or unicodedata.category(char)[0] == "S" for char in text)


def usable_text(text: str, samples: int, *, whole_words: bool) -> str:
    """The start of the text that can be in so much audio.

    ``whole_words``: more text may come, so the last word is not used yet.
    """
    limit = _SPARE_CHARACTERS + samples * _CHARACTERS_PER_S // (SAMPLES_PER_MS * 1000)
    if len(text) <= limit and not whole_words:
        return text
    piece = text[:limit]
    for at in range(len(piece), 0, -1):
        if piece[at - 1].isspace() or ord(piece[at - 1]) >= _FIRST_WIDE:
            return piece[:at]
    return piece if len(text) > limit else ""


def rest_of_text(text: str, text_base: int, start_ms: int, end_ms: int) -> list[UnalignedSpan]:
    """The span of text that is left when all audio is settled; none where nothing speakable is left."""
    if not is_speakable(text, text_base):
        return []
    begin = len(text) - len(text.lstrip())
    reason = (
        UnalignedReason.TEXT_NOT_SPOKEN
        if any(map(str.isalnum, text))
        else UnalignedReason.NOT_SPEAKABLE
    )
    end = len(text.rstrip())
    return [UnalignedSpan(text_base + begin, text_base + end, start_ms, end_ms, reason)]
