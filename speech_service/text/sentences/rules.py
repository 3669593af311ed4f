"""Rules that say where text may be cut, each looking at one place and a few characters after it.

A rule never looks further ahead than ``LOOK_AHEAD`` characters, which bounds how long text waits.
"""

# ruff: noqa: RUF001 - punctuation of many scripts is the data of this module

import re
import unicodedata
from collections.abc import Callable

LOOK_AHEAD = 64


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


GO_ON, WAIT = 0, -1
"""Verdicts: no cut here; not certain yet. Any other verdict is the place of the cut."""
_LONGEST_SHOUT = 256
"""Characters of the end of a text in which ``_SHOUTED`` is looked for."""
_SHOUTED = re.compile(
    r"(?:^|[\s\"'“‘„‚(\[{«‹「『（*_—–¿¡])[^\W_]++(?:['’-][^\W_]++)*+[\u00a0\u202f]?+[!?؟‽…]++(?<=[!?؟‽])\Z"
)
"""A plain word with a mark that ends nothing but sentences; in "/?" and "a.b!" it may be part of something."""

_MARKS = frozenset(".!?…‽؟۔।॥։።។၊။")
_UNSPACED_MARKS = frozenset("。！？｡．﹗﹖")
_ONLY_ENDS = frozenset("۔।॥։።။")
"""Marks that end nothing but sentences, as a full stop, an ellipsis and "!" do not."""
_CLAUSE_MARKS = frozenset(",;:،؛")
_UNSPACED_CLAUSE_MARKS = frozenset("，、；：､")
_DASHES = frozenset("—–")
STOPS = _MARKS | _UNSPACED_MARKS | _CLAUSE_MARKS | _UNSPACED_CLAUSE_MARKS | _DASHES | {"\n"}
"""Characters that a sentence, a line or a clause may end at: at any other there is no cut."""
_CLOSERS = frozenset("\"'”’)]}»›」』）】》〉〕*_`~")
_ALL_CLOSERS = "".join(_CLOSERS)
_OPENERS = frozenset("\"'“‘„‚([{«‹「『（【《〈〔¿¡*_`~#>-–—•·")

# After these a sentence goes on, whatever follows.
_TITLES = _words(
    "mr mrs ms mx dr prof mt ft gen gov sen rep capt lt col sgt cmdr rev hon pres supt cpl maj adm fr msgr messrs mme "
    "mlle hr fra sra srta dra frau herr st ste"
)
_MID = _words(
    "eg ie vs cf viz approx esp incl resp z.b d.h u.a bzw ca ggf vgl p.ex par.ex e.g i.e a.k.a"
)
# After these a number follows, or the sentence ends.
_NUMBERED = _words(
    "no nos nr nº fig figs vol vols p pp ch chap sec sect art eq ed para par tab ex app ver v op"
)
# After these a sentence may end; only a word that starts sentences tells.
_AMBIGUOUS = _words(
    "inc ltd co corp llc plc bros jr sr esq ave blvd rd ln hwy dept univ assn est govt jan feb mar apr jun jul aug sep "
    "sept oct nov dec mon tue tues wed thu thur thurs fri sat sun phd md ba ma bsc msc al"
)
_STARTERS = _words(
    "a about according after all although an and another are as at because before but by can did do does during each "
    "even every few finally first for from furthermore he her here his how however i if in indeed instead is it its "
    "just last later let like many maybe meanwhile moreover most my next no nobody nor not nothing now of on once one "
    "only or other our perhaps please she should since so some someone sometimes soon still such that the their then "
    "there therefore these they this those though through thus to today together too tomorrow two under unless until "
    "was we well were what when where whether which while who why will with without would yes yesterday yet you your "
    "i'm i've i'll it's he's she's that's there's they're we're you're we've don't"
)
_DOTTED = re.compile(r"[^\W\d_]{1,3}(?:\.[^\W\d_]{1,3})+\Z")
_CLOCK = frozenset(("a.m", "p.m"))
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_HALF_SAID = re.compile(r"\w@\w|://|[^\W\d_]\.\w|\w\.[^\W\d_]|\A[vV]\d")
"""Part of an address, of the name of a file or of a version: what follows its full stop may belong to it."""
_BEFORE_TOKEN = frozenset("\"'“‘„([{«‹—–*_")
_LIST_NUMBER = re.compile(r"\s*+(?:\d{1,3}|[A-Za-z])\Z")
_PART_OF_CHARACTER = frozenset(("Mn", "Me", "Mc", "Cf", "Sk", "Cs"))


def has_word(text: str) -> bool:
    """Whether there is a letter or a digit."""
    return any(c.isalnum() for c in text)


def is_wide(char: str) -> bool:
    """Whether it belongs to a script that is written without spaces: each character is a word, or nearly."""
    code = ord(char)
    return 0x2E80 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3FFFF


def sentence_cut(text: str, at: int, *, ready: bool, begun: bool, language: str) -> int:
    """Verdict on the end of a sentence or line at ``text[at]``.

    ``ready``: all that will follow is here, or ``LOOK_AHEAD`` characters of it. ``text`` ends there. ``begun``: a word
    stands before ``at``.
    """
    char = text[at]
    if char in _UNSPACED_MARKS:
        return _after_unspaced(text, at, ready=ready)
    if char == "\n":
        return _after_line(text, at, ready=ready) if begun else GO_ON
    if char not in _MARKS or (at and text[at - 1] in _MARKS) or not begun:
        return GO_ON
    return _after_mark(text, at, ready=ready, language=language)


def clause_cut(text: str, at: int, *, ready: bool) -> int:
    """Verdict on the end of a clause at ``text[at]``; arguments as of ``sentence_cut``."""
    char = text[at]
    if char in _UNSPACED_CLAUSE_MARKS:
        return _after_unspaced(text, at, ready=ready)
    if char not in _CLAUSE_MARKS and char not in _DASHES:
        return GO_ON
    behind = _skip(text, at + 1, _is_closer)
    if behind == len(text):
        return behind if ready else WAIT
    if not text[behind].isspace():
        return behind if char == "—" and behind == at + 1 else GO_ON
    follows = _skip(text, behind, str.isspace)
    return follows if ready or follows < len(text) else WAIT


def sentence_rest(text: str, at: int, *, language: str) -> int:
    """Verdict on the end of a sentence or line at ``text[at]`` after which no more text comes for now.

    What ``sentence_cut`` leaves open ends here if it may end here and nothing is likely to belong to it: a mark with
    white space behind it that no abbreviation takes for itself, "!" or "?" behind a word, a line, a mark of a script
    without spaces. ``WAIT``: it may go on, as "3." and "U.S. " do.
    """
    char = text[at]
    if char in _UNSPACED_MARKS:
        is_point = char == "．" and text[at - 1 : at].isdigit()
        return WAIT if is_point else _skip(text, at + 1, _is_tail)
    if char == "\n":
        return GO_ON if _goes_on(text[:at]) else len(text)
    behind = _skip(text, at, _is_tail)
    if behind == len(text):
        return behind if char in _ONLY_ENDS or _is_shouted(text, language) else WAIT
    follows = _skip(text, behind, str.isspace)
    is_dot = char == "." and text[at + 1 : at + 2] not in _MARKS
    if is_dot and _after_dot(text, at, follows, ready=False, language=language) is not None:
        return WAIT
    return follows


def late_rest(text: str, at: int, *, language: str) -> int:
    """Verdict on the end of a sentence at ``text[at]`` after which no more text comes for long.

    What ``sentence_rest`` lets wait ends here if it is a full stop or an ellipsis with nothing behind it ("for you.",
    "$3.50.", "(Done)."), or a short form or a letter that may end a sentence ("no. ", "at 5 p.m. ", "plan B. ").
    ``WAIT``: what cannot end one, such as "Dr. ", "e.g. ", "J. R. ", "1. ", half an address.
    """
    word = _token_before(text, at)
    lower = word.lower()
    if text[at] not in ".…" or lower in _TITLES or lower in _MID or _LIST_NUMBER.match(text[:at]):
        return WAIT
    if word[-1:].isdigit() and language == "de":
        return WAIT
    if _is_initial(word) and text[max(0, at - LOOK_AHEAD) : at - 1].rstrip().endswith("."):
        return WAIT
    if _HALF_SAID.search(word) and not _DOTTED.match(word):
        return WAIT
    return _skip(text, _skip(text, at, _is_tail), str.isspace)


def clause_rest(text: str, at: int) -> int:
    """Find where the text goes on after the end of a clause: that needs white space, or a mark of a script without."""
    if text[at] in _UNSPACED_CLAUSE_MARKS:
        return _skip(text, at + 1, _is_tail)
    behind = _skip(text, at + 1, _is_closer)
    return WAIT if behind == len(text) else _skip(text, behind, str.isspace)


def best_cut(text: str, longest: int) -> int:
    """Find where to cut ``text`` that has no better place: at most ``longest``, which is less than its length.

    After a clause, else between words, else anywhere but inside a character of several code points.
    """
    for places, earliest in ((_after_clauses, longest // 3), (_after_spaces, longest // 4)):
        at = places(text, longest)
        if at > earliest:
            return at
    at = longest
    while at > max(1, longest - LOOK_AHEAD) and _joins(text, at):
        at -= 1
    return longest if _joins(text, at) else at


def _after_unspaced(text: str, at: int, *, ready: bool) -> int:
    """Marks of scripts without spaces end at once; one more character shows that no closing quote follows."""
    if text[at] == "．" and text[at - 1 : at].isdigit() and text[at + 1 : at + 2].isdigit():
        return GO_ON
    behind = _skip(text, at + 1, _is_tail)
    return behind if ready or behind < len(text) else WAIT


def _after_line(text: str, at: int, *, ready: bool) -> int:
    """A line ends what was said, unless the next begins in lower case: then it was wrapped."""
    follows = _skip(text, at, str.isspace)
    blank = text.find("\n", at + 1, follows)
    if blank >= 0:
        return blank + 1
    if follows == len(text):
        return follows if ready else WAIT
    return GO_ON if text[follows].islower() or _goes_on(text[:at]) else follows


def _is_shouted(text: str, language: str) -> bool:
    """Whether a plain word stands at the end, with a mark that ends nothing but sentences."""
    said = text.rstrip(_ALL_CLOSERS)[-_LONGEST_SHOUT:]
    if language == "fr" or said.endswith("?"):
        # French puts a space before them; "!" alone may begin "!="
        said = said.replace(" ?", "?").replace(" !", "!")
    letters = (c for c in said if not unicodedata.category(c).startswith("M"))
    return _SHOUTED.search("".join(letters)) is not None


def _is_initial(word: str) -> bool:
    return len(word) == 1 and word.isupper() and word != "I"


def _goes_on(line: str) -> bool:
    """Whether the line ends with an abbreviation that never ends a sentence."""
    line = line.rstrip()
    word = _token_before(line, len(line) - 1).lower() if line.endswith(".") else ""
    return word in _TITLES or word in _MID


def _token_before(text: str, end: int) -> str:
    """Say what stands before ``text[end]`` without a space, quote or bracket; at most ``LOOK_AHEAD`` characters."""
    begin, earliest = end, max(0, end - LOOK_AHEAD)
    while begin > earliest and not (text[begin - 1].isspace() or text[begin - 1] in _BEFORE_TOKEN):
        begin -= 1
    return text[begin:end]


def _after_mark(text: str, at: int, *, ready: bool, language: str) -> int:
    behind = _skip(text, at, _is_tail)
    if behind == len(text):
        return behind if ready else WAIT
    if not text[behind].isspace():
        return behind if is_wide(text[behind]) else GO_ON
    follows = _skip(text, behind, str.isspace)
    dot_only = text[at] == "." and text[at + 1 : at + 2] not in _MARKS
    if dot_only:
        verdict = _after_dot(text, at, follows, ready=ready, language=language)
        if verdict is not None:
            return verdict
    blank = text.find("\n", text.find("\n", behind, follows) + 1 or follows, follows)
    if blank >= 0:
        return blank + 1
    word_at = _skip(text, follows, _OPENERS.__contains__)
    if word_at == len(text):
        return follows if ready else WAIT
    wrapped = "\n" in text[behind:follows]
    return GO_ON if text[word_at].islower() and not wrapped else follows


def _after_dot(text: str, at: int, follows: int, *, ready: bool, language: str) -> int | None:
    """Verdict where the full stop may belong to an abbreviation; None: it does not."""
    word = _token_before(text, at)
    lower = word.lower()
    if lower in _TITLES or lower in _MID or _LIST_NUMBER.match(text[:at]):
        return GO_ON
    if word.isdigit():
        return GO_ON if language == "de" else None
    if _is_initial(word):
        return WAIT if follows == len(text) and not ready else GO_ON
    dotted = _DOTTED.match(word) is not None
    if not dotted and lower not in _NUMBERED and lower not in _AMBIGUOUS:
        return None
    if follows == len(text):
        return follows if ready else WAIT
    if lower in _CLOCK:
        return None
    if lower in _NUMBERED:
        return GO_ON if text[follows].isdigit() else None
    return _before_starter(text, follows, ready=ready)


def _before_starter(text: str, follows: int, *, ready: bool) -> int:
    """A cut only before a word that starts sentences, or a quotation."""
    word_at = _skip(text, follows, _OPENERS.__contains__)
    word = _WORD.match(text, word_at)
    if (word is None or word.end() == len(text)) and not ready:
        return WAIT if word_at == len(text) or word is not None else GO_ON
    if word is None:
        return GO_ON
    starts = word.group()[0].isupper() and word.group().lower().replace("’", "'") in _STARTERS
    return follows if starts else GO_ON


def _after_clauses(text: str, longest: int) -> int:
    for at in range(longest - 1, 0, -1):
        char, before = text[at], text[at - 1]
        if before in _UNSPACED_CLAUSE_MARKS or before == "—":
            return at
        if before in _CLAUSE_MARKS and char.isspace():
            return at + 1
    return 0


def _after_spaces(text: str, longest: int) -> int:
    for at in range(longest, 0, -1):
        if text[at - 1].isspace():
            return at
    return 0


def _joins(text: str, at: int) -> bool:
    """Whether a cut at ``at`` would fall inside a character, a number or a run of Latin letters with marks."""
    before, char = text[at - 1], text[at]
    if unicodedata.category(char) in _PART_OF_CHARACTER or before == "\u200d":
        return True
    return before.isdigit() and (char.isdigit() or char in ".,")


def _is_closer(char: str) -> bool:
    return char in _CLOSERS


def _is_tail(char: str) -> bool:
    """Whether a character may stand between a mark and the next sentence: more marks, closing quotes, emoji."""
    if char in _MARKS or char in _UNSPACED_MARKS or char in _CLOSERS:
        return True
    return unicodedata.category(char) in ("So", "Sk", "Cf", "Mn", "Me")


def _skip(text: str, at: int, accepts: Callable[[str], bool]) -> int:
    while at < len(text) and accepts(text[at]):
        at += 1
    return at
