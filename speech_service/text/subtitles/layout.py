"""Lines of a cue, and which atoms make a cue: both by the least cost over all ways to cut."""

from collections.abc import Sequence

from speech_service.text.subtitles.atoms import Atom, Break
from speech_service.text.subtitles.rules import SubtitleRules

_LINE_COST = {Break.SENTENCE: 0.0, Break.CLAUSE: 0.05, Break.WORD: 0.25, Break.INSIDE_WORD: 4.0}
"""Cost of ending a line there, against 1 for a line that is all empty where others are full."""
_CUE_COST = {Break.SENTENCE: 0.0, Break.CLAUSE: 4.0, Break.WORD: 12.0, Break.INSIDE_WORD: 60.0}
"""Cost of ending a cue there."""
_PER_CUE = 3.0
"""Cost of each cue: fewer are calmer."""
_TOO_SHORT = 12.0
"""Cost of each missing second of the shortest duration."""
_TOO_FAST = 1.0
"""Cost of each character per second too many."""
_LONG_PAUSE_MS = 700
_PAUSE = 6.0
"""Cost of each second of a pause inside a cue beyond ``_LONG_PAUSE_MS``."""
_SENTENCE_INSIDE = 5.0
"""Cost of a sentence that ends inside a cue: the next had better begin with its own."""
_LONGEST_PAUSE_MS = 2_500
"""A cue does not stand through a longer one."""


def line_break(atoms: Sequence[Atom], rules: SubtitleRules) -> list[str]:
    """Lay atoms out in as few lines as hold them, of about one width, ended where the sense allows.

    Args:
        atoms: those of one cue; :func:`fits` says that they fit.
        rules: widths and number of lines.
    """
    count = _fewest_lines(atoms, rules.max_columns)
    total = _columns(atoms)
    ideal = max(1.0, total / count)
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}] + [{} for _ in atoms]
    for end in range(1, len(atoms) + 1):
        columns = 0
        for begin in range(end - 1, -1, -1):
            columns += atoms[begin].columns + (begin + 1 < end and atoms[begin + 1].spaced)
            if columns > rules.max_columns:
                break
            cost = ((columns - ideal) / rules.max_columns) ** 2
            if end < len(atoms):
                cost += _LINE_COST[atoms[end - 1].after]
            for lines, (before, _) in best[begin].items():
                known = best[end].get(lines + 1)
                if lines < count and (known is None or before + cost < known[0]):
                    best[end][lines + 1] = (before + cost, begin)
    rows: list[str] = []
    end = len(atoms)
    for lines in range(count, 0, -1):
        begin = best[end][lines][1]
        rows.append(joined(atoms[begin:end]))
        end = begin
    return rows[::-1]


def joined(atoms: Sequence[Atom]) -> str:
    """Give the text of atoms on one line."""
    return "".join(
        (" " if atom.spaced and number else "") + atom.text for number, atom in enumerate(atoms)
    )


def _columns(atoms: Sequence[Atom]) -> int:
    return sum(atom.columns + (atom.spaced and number > 0) for number, atom in enumerate(atoms))


def _fewest_lines(atoms: Sequence[Atom], max_columns: int) -> int:
    lines, room = 0, -1
    for atom in atoms:
        needed = atom.columns + atom.spaced
        if room >= needed:
            room -= needed
        else:
            lines, room = lines + 1, max_columns - atom.columns
    return lines


def group(atoms: Sequence[Atom], rules: SubtitleRules) -> list[Sequence[Atom]]:
    """Cut atoms into the atoms of cues, at the least cost.

    What fits on the screen and into the longest duration is a must (one atom alone always passes); where sentences and
    clauses end, reading speed, and cues that are not too short are weighed against each other.
    """
    best: list[float] = [0.0] + [float("inf")] * len(atoms)
    origin = [0] * (len(atoms) + 1)
    for begin in range(len(atoms)):
        for end, cost in _cues_from(atoms, begin, rules):
            if best[begin] + cost < best[end]:
                best[end], origin[end] = best[begin] + cost, begin
    cues: list[Sequence[Atom]] = []
    end = len(atoms)
    while end > 0:
        cues.append(atoms[origin[end] : end])
        end = origin[end]
    return cues[::-1]


def _cues_from(atoms: Sequence[Atom], begin: int, rules: SubtitleRules) -> list[tuple[int, float]]:
    """Give each end that a cue from ``begin`` may have, with its cost."""
    found: list[tuple[int, float]] = []
    lines, room, letters, inner = 0, -1, 0, 0.0
    for at in range(begin, len(atoms)):
        atom = atoms[at]
        needed = atom.columns + atom.spaced
        if room >= needed:
            room -= needed
        else:
            lines, room = lines + 1, rules.max_columns - atom.columns
        if at > begin:
            before = atoms[at - 1]
            pause_ms = atom.start_ms - before.end_ms
            inner += max(0.0, pause_ms - _LONG_PAUSE_MS) / 1000 * _PAUSE
            inner += _SENTENCE_INSIDE if before.after is Break.SENTENCE else 0.0
            too_long = atom.end_ms - atoms[begin].start_ms > rules.max_duration_ms
            if lines > rules.max_lines or too_long or pause_ms > _LONGEST_PAUSE_MS:
                break
        letters += len(atom.text) + atom.spaced
        found.append((at + 1, inner + _cost(atoms, begin, at + 1, letters, rules)))
    return found


def _cost(atoms: Sequence[Atom], begin: int, end: int, letters: int, rules: SubtitleRules) -> float:
    last = atoms[end - 1]
    spoken_ms = last.end_ms - atoms[begin].start_ms
    room_ms = float("inf")
    if end < len(atoms):
        room_ms = max(1.0, atoms[end].start_ms - atoms[begin].start_ms - rules.min_gap_ms)
    wanted_ms = max(rules.min_duration_ms, letters / rules.max_cps * 1000)
    shown_ms = max(1.0, min(room_ms, rules.max_duration_ms, max(spoken_ms, wanted_ms)))
    cost = _PER_CUE + (_CUE_COST[last.after] if end < len(atoms) else 0.0)
    cost += _TOO_SHORT * max(0.0, rules.min_duration_ms - shown_ms) / 1000
    return cost + _TOO_FAST * min(40.0, max(0.0, letters / shown_ms * 1000 - rules.max_cps))
