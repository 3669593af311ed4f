"""How what is typed in haste is said: days and months written small, initials written small, marks given in stars."""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re

from speech_service.text.english.number_words import number, spelled
from speech_service.text.english.rules import Rule, rule

_MONTHS = (
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?"
)
_HOUR = r"\d{1,2}(?::[0-5]\d)?"
_STAMPED = r"JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEPT?|OCT|NOV|DEC"
_DAYS = r"mon|tues?|wed|thu(?:rs?)?|fri|sat"
_DAYS_AFTER = r"on|by|this|next|last|every|until|till|since|before|after|for|from|to|and|or|&"
_TIME = r"\d{1,2}(?::\d\d| ?[ap]\.?m\b)"
_SPELLED = (
    r"idk|idc|idek|fyi|imo|imho|afaik|afk|iirc|iykyk|icymi|omg|omw|irl|ikr|ttyl|wfh|urls?|apis?|diy|faqs?|roi|ooo|"
    r"otw|ootd|tba|hmu|wyd|atm|html|css|sql|iban|isbn|usa|lgtm|ptal|prn|npo"
)
"""Initials that are said letter by letter, however small they are written."""
_KEYS = {
    "⌘": "Command",
    "⇧": "Shift",
    "⌥": "Option",
    "⌃": "Control",
    "⏎": "Enter",
    "⌫": "Backspace",
}


def _capital(match: re.Match[str]) -> str:
    return match.group().capitalize()


def _say_initials(match: re.Match[str]) -> str | None:
    word = match.group()
    if word.isupper():
        return None
    word = word.lower()
    return f"{spelled(word[:-1])}s" if word in ("urls", "apis", "faqs") else spelled(word)


def _say_stars(match: re.Match[str]) -> str:
    """ "★★★★☆" as "four out of five stars"."""
    full, empty = (len(match[group].replace("\ufe0f", "")) for group in (1, 2))
    if full + empty < 3:
        return match.group()
    return (
        f" {number(str(full))} out of {number(str(full + empty))} stars "
        if empty
        else f" {number(str(full))} stars "
    )


PICTURES: tuple[Rule, ...] = (
    rule(
        r"(?<=\d)(?: ?out of \d)? ?[★⭐]\ufe0f?(?![★⭐☆])",
        lambda m: m[0].rstrip("★⭐ \ufe0f") + " stars",
    ),
    rule(r"(?<![★⭐☆])((?:[★⭐]\ufe0f?){1,10})(☆{0,9})(?!☆)", _say_stars),
    rule(rf"([{''.join(_KEYS)}]) ?\+? ?", lambda m: f"{_KEYS[m[1]]} "),
)
"""Rules for pictures that are said, before those that are not are taken out."""

CASUAL: tuple[Rule, ...] = (
    rule(rf"(?<![\w.&/@#'’-])(?:{_SPELLED})(?![\w&/@-]|\.\w)", _say_initials, any_case=True),
    rule(r"(?<=\d:[0-5]\d)([ap])(?!\w|\.\w)", r" \1m"),
    rule(
        rf"(?<![\w.:,$£€])({_HOUR}) ?([ap])\s?[-–]\s?({_HOUR}) ?([ap])(?!\w|\.\w)",
        r"\1 \2m to \3 \4m",
    ),
    rule(
        rf"\b((?:{_DAYS}|sun)[a-z]{{0,6}}\.? )(?:({_HOUR})\s?[-–]\s?)?({_HOUR})([ap])(?!\w|\.\w)",
        lambda m: f"{m[1]}{f'{m[2]} to ' if m[2] else ''}{m[3]} {m[4]}m",
        any_case=True,
    ),
    # Months in capitals, as stamps and software write them: "04 DEC 2026", "12/MAR/26".
    rule(
        rf"(?<![\w.,/-])(\d{{1,2}})[ /-]?({_STAMPED})[ /-]?(?=(?:\d{{4}}|\d\d)(?![\w:]))",
        lambda m: f"{m[1].lstrip('0')}-{m[2].capitalize()}-",
    ),
    rule(r"\beta(?=:? ~?\d|\?)", "E.T.A"),
    rule(rf"(?<![\w'’-])(?:{_MONTHS})(?=\.? \d{{1,2}}(?:st|nd|rd|th)?(?![\w:%]|[.,]\d))", _capital),
    rule(
        rf"(?<=\d )(?:{_MONTHS})(?![\w'’-])|(?<=\d(?:st|nd|rd|th) )(?:{_MONTHS})(?![\w'’-])",
        _capital,
    ),
    rule(rf"(?<![\w'’-])(?:{_DAYS}|sun)(?= (?:at )?{_TIME})", _capital),
    rule(
        rf"(?<![\w'’-])(?:{_DAYS})(?= (?:morning|afternoon|evening|night)s?\b(?! after\b))",
        _capital,
    ),
    rule(
        rf"\b((?:{_DAYS_AFTER}) )({_DAYS})(?![\w'’-])",
        lambda m: m[1] + m[2].capitalize(),
    ),
    rule(
        rf"\b({_DAYS}|sun)(/|-|–| to | and | & |, )({_DAYS}|sun)(?![\w'’-])",
        lambda m: f"{m[1].capitalize()}{m[2]}{m[3].capitalize()}",
    ),
)
"""Rules that come before dates are read."""
