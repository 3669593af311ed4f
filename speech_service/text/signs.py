"""What of a text means the same in every language and must come through a translation as it is.

Three kinds: what is not language at all (tags, addresses, placeholders of programs, code, handles); characters that a
model has no piece for; and numbers and signs that a model may write, but must not lose. ``tells`` finds the first two,
``loose`` the third, ``kept`` says afterwards whether numbers and signs came through.

Numbers may be written as the other language writes them ("1,199.00" becomes "1.199,00"): what is compared is their
digits. A number spelled out ("cinco" for 5) counts as lost, because nobody can check it.

Every pattern takes time in proportion to the text: no two repetitions beside each other can match the same characters.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Set

from speech_service.text.normal_form import normal_form

Span = tuple[int, int]
"""Code points ``[begin, end)`` of a text."""

_EMOJI = "\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff\u266a-\u266f\u231a\u231b\u23e9-\u23fa"
_TAGS = "\U000e0020-\U000e007f"
"""Letters of the flags of parts of countries, which nobody sees."""
_CONVERSION = (
    r"(?:\(\w{1,60}\)|\d{1,2}\$)?[-+#0]{0,4}(?:\d{1,4}|\*)?(?:\.\d{1,3})?"
    r"(?:hh|h|ll|l|[qjztL])?[diouxXeEfFgGaAcspn@]"
)
_OPERAND = r"(?:[A-Za-z\u0391-\u03c9][\d\u00b2\u00b3\u00b9\u2070-\u2089]?|\d[\d.,]{0,20})"
_OPERATOR = (
    r" ?(?:&&|\|\||\*|[-=<>!:]=|[-=]>|[=<>+^\u00b1\u00d7\u00f7\u2190-\u21ff\u2212-\u22ff]) ?"
)
_SIGNED = r"[A-Za-z] [-+~\u00b1\u2212\u221a\u2248]\S"
"""A word of one letter before a sign that belongs to what follows: "e \u22124", "a \u221a9"."""
_VERBATIM = re.compile(
    "|".join(
        (
            r"(?<!`)(?:```(?:[^`]|`(?!``))*+```)++|`[^`\n]++`",
            r"</?[A-Za-z][^<>]*+>|</?\d[\d:.]*+/?>|<[!?%][^<>]{1,400}>|\{\\[^{}]*+\}",
            r"[$#%]?(?<!\{)\{++(?:[^{}]|\{(?:[^{}]|\{[^{}]*+\})*+\})*+\}++|\[\[[^\[\]\n]{1,200}\]\]",
            r"[A-Za-z][A-Za-z+.-]{1,12}://[^\s<>\"]++|\bwww\.[^\s<>\"]++",
            r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)++",
            r"&(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[A-Za-z]{2,31}\d?);",
            r"%[A-Z][A-Z_]{1,40}%(?:[\\/][\w.-]++)*+",
            rf"(?<![\d%])%{_CONVERSION}|%{_CONVERSION}(?![A-Za-z])|%%",
            r"\$env:\w++|\$[A-Za-z_]\w*+(?:[\\/][\w.-]++)*+|[$\\]\([^()\n]{1,200}\)",
            r"<<[A-Za-z_]\w{0,60}>>|\\[A-Za-z]{2,30}\*?(?=\{)|(?<!\S)\.\. [\w-]{1,40}::|\|[A-Za-z]\|",
            r"(?<!\S)(?=[\d/, -]{0,40}\*)(?:[\d*/,-]{1,20} ){4}[\d*/,-]{1,20}(?!\S)",
            # Names of parameters, emoji and faces, which begin with a colon.
            r"(?<![\w:.)\]}/]):[\w+-]{1,40}:(?!\w)|(?<![\w:.)\]}/]):[A-Za-z_]\w*+",
            r"(?<![\w:;=])[:;=]['\u2019]?-?[()DPpOo|/\\*3\[\]](?![\w/])|(?<!\S)</?3(?!\w)",
            r"(?<=\])\([^()\s]{1,400}\)",
            r"(?<!\w)[A-Za-z]\[\w{1,20}\]|(?<!\w)[A-Za-z_]\w{0,40}\[(?:'[^'\n\]]{1,40}'|\"[^\"\n\]]{1,40}\")\]",
            r"(?<!\w)\w{1,30}!\$?[A-Z]{1,3}\$?\d{1,7}(?!\w)",
            r"(?<![\d:])\d{1,2}:\d\d:\d\d(?:[.,]\d{1,3})?(?![\d:])",
            r"(?<![\w@#/])[@#]\w++(?:[-/.]\w++)*+",
            r"(?<!\w)[A-Za-z]{1,12}(?:#|\+\+)(?!\w)|(?<![\w.])\.[A-Z][A-Z]\w*+",
            r"\b[A-Za-z]:\\[^\s<>\"|?*]++|\\\\[^\s<>\"|?*]++",
            r"(?<![\w/])(?:~|\.{1,2})?/[\w.@+-]++(?:/[\w.@+-]*+)*+",
            r"(?<![\w/.-])[\w-]{2,80}(?:[/.][\w-]{1,80}){0,12}\.[a-z][\w-]++(?:\(\))?(?![\w/])",
            r"(?<![\w.,])[vV]?\d{1,9}(?:\.\d{1,9}){2,8}(?:[-+][\w.]++)?(?![\w,])|(?<!\w)[vV]\d{1,9}(?:\.\d{1,9}){0,8}(?!\w)",
            r"(?<!\w)(?:(?![A-Za-z0-9]_\w)\w)*+[A-Za-z0-9]_\w++(?:\(\))?|(?<!\w)__?\w++|(?<!\w)[A-Za-z_]\w*+\(\)",
            r"(?<!\S)--[A-Za-z][\w-]*+(?:=\S++)?|(?<!\S)-[A-Za-z](?=\s|$)",
            rf"(?<![\w.,])(?!{_SIGNED}){_OPERAND}(?:{_OPERATOR}{_OPERAND}){{1,12}}(?!\w)",
            r"\bSELECT (?:\*|[\w.,]{1,40}) FROM [\w.]{1,60}",
            r"\b(?:INSERT INTO|DELETE FROM|(?:CREATE|DROP|ALTER) TABLE) [\w.]{1,60}",
            r"[-=<>!:+*/&|]=|={2,3}|[-=]>|<-|&&|\|\||<<|>>|\b0x[\da-fA-F]++\b",
            r"(?<![\w.,])\+?\(?\d{2,6}\)?(?:[ \u00a0-]\(?\d{2,6}\)?){2,12}(?![\w,])",
            r"\d[\d.,]{0,40}+[\u2012-\u2015\u2212]\d[\d.,]*+",
            rf"[{_EMOJI}\u20e3][{_EMOJI}\u200d\ufe0f\u20e3{_TAGS}]*+|[0-9#*]\ufe0f?\u20e3",
            r"[!-\u024f]{80,}+",  # no word is that long
        )
    )
)
_FILLED = re.compile(
    r"<[A-Za-z\d][^<>/]*+(?:/[^<>/]++)*+>[^<>\w]*+\w[^<>]*+</|\{\{#[^{}]*+\}\}[^{}\w]*+\w[^{}]*+\{\{/|"
    r"\[[A-Za-z][^\[\]]*+\][^\[\]\w]*+\w[^\[\]]*+\[/"
)
"""A mark that opens, words, and a mark that closes."""
_SMALL = ("<super>", "<sub>")
_ORDINALS = "\u00aa\u00ba"
_LETTERLIKE = ("\u2100", "\u214f")
"""Signs made of letters, such as the set of the real numbers; a model is given plain letters for them."""
_URL_END = ".,;:!?)]'\""
_SENTENCE_END = ".,:"
_CONTRACTION = re.compile(r"(?<=[^\W\d_])&(?:#39|#x27|apos|rsquo);(?=[^\W\d_])", re.IGNORECASE)
_APOSTROPHE = re.compile(r"(?<=[^\W\d_])['\u2019](?=[^\W\d_])")
_WORD = re.compile(r"\w+")
_BEFORE = re.compile(r"(?:\d[\d.,]{0,39}|(?<![^\W\d_])[^\W\d_]{1,3})$")
_AFTER = re.compile(r"[.,]?\d(?:[\d.,]*\d)?|[^\W\d_]{1,3}(?![^\W_])")
_REACH = 40
"""Characters beside a sign that may belong to it, such as an amount."""
_WORD_REACH = 80
_MENDED = frozenset(
    "\u2018\u2019\u201a\u201c\u201d\u201e\u201f\u00ab\u00bb\u2010\u2011\u2012\u2013\u2014\u2015\u2026"
)
"""Quotes, dashes and dots: ``typography.py`` writes them in ASCII and mends the translation."""
_ORDINARY = (
    frozenset(
        ".,;:!?'\"()-\u00a1\u00bf\u00b7\u00b4\u3001\u3002\u300a\u300b\u300c\u300d\u300e\u300f\u30fb"
    )
    | _MENDED
)
"""Punctuation that languages use in ways of their own; its count says nothing."""
_NUMBER = re.compile(r"\d+(?:[.,'\u2019\u00a0\u202f\u2009]\d+)*")
_LOOSE = re.compile(r"[^\s\"\u201c\u201d]+")
_EDGE = ".,;:!?()'\u2019\u201c\u201d\"\u2026-\u2013\u2014"


def tells(text: str, alphabet: Set[str] = frozenset()) -> list[Span]:
    """Spans that no model may touch, in order, apart from each other.

    Args:
        text: anything.
        alphabet: the characters that the model has pieces for; empty: all.
    """
    found = list(_verbatim(text))
    if alphabet and any(_is_unknown(char, alphabet) for char in set(text)):
        found += _unknown(text, alphabet)
    return _joined(text, found)


def loose(text: str) -> list[Span]:
    """Whole chunks between spaces that hold a digit or a sign, without the punctuation at their edges."""
    spans: list[Span] = []
    for match in _LOOSE.finditer(text):
        begin, end = match.span()
        while begin < end and text[begin] in _EDGE:
            begin += 1
        while begin < end and text[end - 1] in _EDGE:
            end -= 1
        if any(char.isdigit() or _is_sign(char) for char in text[begin:end]):
            spans.append((begin, end))
    return _joined(text, spans)


def kept(source: str, translation: str) -> bool:
    """Whether each number and each sign of ``source`` is in ``translation`` as often; what is new there is allowed."""
    signs = Counter(filter(_is_sign, source))
    there = Counter(filter(_is_sign, normal_form("NFC", translation)))
    if any(there[sign] < count for sign, count in signs.items()):
        return False
    if translation.count("\t") < source.count("\t"):
        return False
    wanted, written = numbers(source), numbers(translation)
    there = Counter(written)
    return "".join(wanted) == "".join(written) or all(
        there[number] == count for number, count in Counter(wanted).items()
    )


def is_filled(source: str, translation: str) -> bool:
    """Whether as many pairs of tags, blocks or marks hold words as in ``source``: no link lost its text."""
    return len(_FILLED.findall(translation)) >= len(_FILLED.findall(source))


def comes_through(source: str, translation: str) -> bool:
    """Whether :func:`kept` and :func:`is_filled` hold and all that is no language is there letter by letter."""
    rest: list[str] = []
    taken = bytearray(len(translation))
    tried: dict[str, int] = {}
    at = behind = 0
    for begin, end in _verbatim(source):
        found = source[begin:end]
        place = _free(translation, found, taken, behind)  # nearly always in the same order
        if place < 0:
            place = tried[found] = _free(translation, found, taken, tried.get(found, 0))
        if place < 0:
            return False
        behind = place + len(found)
        taken[place:behind] = b"\1" * len(found)
        rest.append(source[at:begin])
        at = end
    left = "".join(" " if gone else char for char, gone in zip(translation, taken, strict=True))
    return kept(" ".join([*rest, source[at:]]), left) and is_filled(source, translation)


def _free(text: str, wanted: str, taken: bytearray, start: int) -> int:
    """Give the first place of ``wanted`` from ``start`` on of which nothing is taken; -1: none."""
    place = text.find(wanted, start)
    while place >= 0 and taken.find(1, place, place + len(wanted)) >= 0:
        place = text.find(wanted, place + 1)
    return place


def verbatim(text: str) -> list[str]:
    """Say what of the text is no language, each once."""
    return list(dict.fromkeys(text[begin:end] for begin, end in _verbatim(text)))


def numbers(text: str) -> list[str]:
    """Give the digits of each number, whatever groups them or parts whole from fraction."""
    return ["".join(filter(str.isdigit, match.group())) for match in _NUMBER.finditer(text)]


def _verbatim(text: str) -> Iterator[Span]:
    for match in _VERBATIM.finditer(text):
        begin, end = match.span()
        found = match.group()
        if "://" in found or found.startswith("www."):
            end -= len(found) - len(found.rstrip(_URL_END))
        elif (
            found[0] != ":"
            and not found.endswith("::")
            and (found[0] in "./~@#" or found[-1] in ".:,")
        ):
            end -= len(found) - len(found.rstrip(_SENTENCE_END))
        if found[0] == "&" and _CONTRACTION.match(text, begin):
            continue
        if begin < end:
            yield begin, end


def _unknown(text: str, alphabet: Set[str]) -> Iterator[Span]:
    """Runs of characters that the model cannot write, each with the word or the amount that it belongs to."""
    at = 0
    while at < len(text):
        if not _is_unknown(text[at], alphabet):
            at += 1
            continue
        begin = at
        while at < len(text) and _is_unknown(text[at], alphabet):
            at += 1
        if any(char.isalpha() for char in text[begin:at]):
            yield _word_around(text, begin, at)
        else:
            before = _BEFORE.search(text[max(0, begin - _REACH) : begin])
            after = _AFTER.match(text, at, at + _REACH)
            yield begin - (len(before.group()) if before else 0), after.end() if after else at


def _word_around(text: str, begin: int, end: int) -> Span:
    first, last = max(0, begin - _WORD_REACH), min(len(text), end + _WORD_REACH)
    while begin > first and text[begin - 1].isalnum():
        begin -= 1
    while end < last and (text[end].isalnum() or unicodedata.combining(text[end])):
        end += 1
    return begin, end


def _is_unknown(char: str, alphabet: Set[str]) -> bool:
    if char in alphabet or char in _MENDED or char.isspace():
        return False
    kind = unicodedata.category(char)
    if kind in ("Cf", "Cc"):
        return False
    if char not in _ORDINALS and unicodedata.decomposition(char).startswith(_SMALL):
        return True
    if _LETTERLIKE[0] <= char <= _LETTERLIKE[1]:
        return True
    plain = unicodedata.normalize("NFKC", char)
    return kind[0] != "L" or any(part not in alphabet for part in plain)


def _is_sign(char: str) -> bool:
    return (char not in _ORDINARY and unicodedata.category(char)[0] in "PS") or char in "½¼¾²³¹"


def _joined(text: str, spans: list[Span]) -> list[Span]:
    """Spans in order; those that touch, or have only spaces of one line between them, are one."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and (begin <= joined[-1][1] or _is_gap(text[joined[-1][1] : begin])):
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined


def _is_gap(between: str) -> bool:
    return len(between) < 4 and between.isspace() and "\n" not in between


def with_entities(translation: str, source: str) -> tuple[str, bool]:
    """The translation with its contractions as the source writes them, and whether none of those was lost.

    HTML stays HTML: "L&#39;eau" for "It&#39;s". A language that contracts nothing there has no place for one.
    """
    entities = [match.group() for match in _CONTRACTION.finditer(source)]
    if not entities:
        return translation, True
    written, count = _APOSTROPHE.subn(entities[0], translation)
    return written, count >= len(entities)


def with_apostrophes(text: str) -> str:
    """Contractions of HTML ("don&#39;t") with their apostrophes."""
    return _CONTRACTION.sub("'", text)
