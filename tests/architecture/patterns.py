"""Finds the regular expressions of the source, and what of them may take more than linear time."""

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.architecture.test_architecture import ROOT, nodes_of, sources, where

op: Any = import_module("re._constants")
parser: Any = import_module("re._parser")
SEARCHES = {"search", "findall", "finditer", "sub", "subn", "split"}
ANCHORED = {"match", "fullmatch"}
RULE = "rule"
"""Of ``text/english/rules.py``: compiles a pattern that is searched for."""
_ALPHABET = [chr(code) for code in range(0x250)] + list("\u0301\u2028世あ。“”—…♪😀")
"""Characters that sets are compared on."""
_ENDLESS = 64
"""A repetition that may go on longer counts as one without end."""


@dataclass(frozen=True)
class Found:
    """A pattern in the source. ``is_searched``: it is looked for at every place of a text."""

    where: str
    pattern: str
    flags: int
    is_searched: bool

    def __str__(self) -> str:
        return self.where


def compiled_patterns(folders: tuple[str, ...]) -> list[Found]:
    """Every pattern that is compiled or used by name in some folders of the repository."""
    return [found for path in sources(folders) for found in _of_file(path)]


@cache
def _calls(path: Path) -> list[tuple[str, ast.Call]]:
    """Calls of a file that are given a pattern, each with the function's name."""
    text = path.read_text()
    if "re." not in text and f"{RULE}(" not in text:
        return []
    calls = (node for node in nodes_of(path) if isinstance(node, ast.Call))
    return [(function, call) for call in calls if (function := _function(call))]


def _of_file(path: Path) -> Iterator[Found]:
    for function, node in _calls(path):
        uses = _uses(path)
        text = _value(node.args[0], path)
        if text is None:
            continue  # made of data: `test_what_is_made_at_run_time` knows them
        searched = function in SEARCHES | {RULE}
        if function == "compile":
            ways = uses.get(_name_of(path, node), SEARCHES)
            searched = bool(ways & SEARCHES) or not ways
        yield Found(where(path, node), text, _flags(node), searched)


def dynamic_patterns(folders: tuple[str, ...]) -> list[str]:
    """Where patterns are made of what is known at run time only."""
    found: list[str] = []
    for path in sources(folders):
        for _, call in _calls(path):
            if _value(call.args[0], path) is None:
                found.append(f"{path.relative_to(ROOT)}: {ast.unparse(call.args[0])}")
    return found


def _function(node: ast.Call) -> str:
    """The function of ``re`` that a call gives a pattern to, or ``rule`` of ``text/english/rules.py``; empty: none."""
    if not node.args:
        return ""
    match node.func:
        case ast.Attribute(value=ast.Name(id="re"), attr=name):
            return name if name in SEARCHES | ANCHORED | {"compile"} else ""
        case ast.Name(id=name):
            return name if name == RULE else ""
        case _:
            return ""


@cache
def _constants(path: Path) -> dict[str, Any]:
    """Names of a module, where it can be imported without doing anything."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] == "clients":
        parts = parts[2:]
    if parts[-1] in ("__main__",) or parts[0] in ("tools",):
        return {}
    name = ".".join(parts).removesuffix(".__init__")
    try:
        return vars(sys.modules.get(name) or import_module(name))
    except ImportError:
        return {}


def _value(node: ast.expr, path: Path) -> str | None:
    """The pattern's text; None where only a run of the program knows it. A plain string needs no import."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    try:
        code = compile(ast.Expression(node), "pattern", "eval")
        value = eval(code, dict(_constants(path)))
    except NameError:
        return None
    except (TypeError, AttributeError):
        return None
    return value if isinstance(value, str) else None


def _flags(node: ast.Call) -> int:
    given = [*node.args[1:], *(k.value for k in node.keywords if k.arg == "flags")]
    flags = re.IGNORECASE if any(k.arg == "any_case" for k in node.keywords) else 0
    for each in given:
        try:
            value = eval(compile(ast.Expression(each), "flags", "eval"), {"re": re})
        except NameError:
            continue
        flags |= value if isinstance(value, re.RegexFlag) else 0
    return int(flags)


@cache
def _uses(path: Path) -> dict[str, set[str]]:
    """How the patterns that have a name are used: the methods called on each name in the whole source."""
    uses: dict[str, set[str]] = {}
    for node in nodes_of(path):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            uses.setdefault(node.value.id, set()).add(node.attr)
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple):
            for each in node.iter.elts:  # for pattern in (_A, _B): pattern.search(...)
                if isinstance(each, ast.Name):
                    uses.setdefault(each.id, set()).update(SEARCHES)
    return {name: ways & (SEARCHES | ANCHORED | {"pattern"}) for name, ways in uses.items()}


def _name_of(path: Path, call: ast.Call) -> str:
    for node in nodes_of(path):
        if (
            isinstance(node, ast.Assign)
            and node.value is call
            and isinstance(node.targets[0], ast.Name)
        ):
            return node.targets[0].id
    return ""


# --- rules ---


def faults_of(pattern: str, flags: int, *, searched: bool) -> list[str]:
    """What is wrong with a pattern; nothing where it takes linear time."""
    parsed = parser.parse(pattern, flags)
    items = list(parsed)
    flags = parsed.state.flags
    faults = list(_inside(items, flags))
    if searched:
        faults += _at_the_start(items, flags)
    return faults


def _is_endless(item: Any) -> bool:
    kind, value = item
    return kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT) and value[1] > _ENDLESS


def _gives_back(item: Any) -> bool:
    return _is_endless(item) and item[0] is not op.POSSESSIVE_REPEAT


def _inside(items: Sequence[Any], flags: int, behind: Sequence[Any] = ()) -> Iterator[str]:
    """Repetitions inside and beside each other, at any depth. ``behind``: what follows the items."""
    for at, item in enumerate(items):
        follows = [*items[at + 1 :], *behind]
        if _gives_back(item):
            own = _set_of([item], flags)
            for taken in _reached(follows, own, flags)[0]:
                yield f"two repetitions without end that may take the same: {_shown(own & taken)}"
            body = _opened(list(item[1][2]))
            if any(map(_gives_back, _all(body))) and not _is_told_apart(body, flags):
                yield "a repetition without end inside another"
        for part in _parts(item):
            is_look = _is_look(item)
            yield from _inside(part, flags, () if is_look else follows)
            if is_look and any(map(_gives_back, _all(part))):
                yield "a repetition without end in what is looked at ahead or behind"


def _opened(body: list[Any]) -> list[Any]:
    """The body of a repetition without the brackets round it."""
    while len(body) == 1 and body[0][0] is op.SUBPATTERN:
        body = list(body[0][1][3])
    return body


def _is_told_apart(body: Sequence[Any], flags: int) -> bool:
    """True where each turn of a repetition begins with a character that nothing else in it may be."""
    if not body or body[0][0] not in (op.LITERAL, op.IN):
        return False
    first = _set_of([body[0]], flags)
    return not first & _set_of(body[1:], flags)


def _reached(items: Sequence[Any], own: set[str], flags: int) -> tuple[list[set[str]], bool]:
    """What endless repetitions may follow on characters of ``own`` alone, and whether something must stop those."""
    found: list[set[str]] = []
    for item in items:
        taken = _set_of([item], flags)
        if _is_endless(item) and own & taken and len(_opened(list(item[1][2]))) == 1:
            found.append(taken)
        stops = [_reached(part, own, flags) for part in _parts(item) if not _is_look(item)]
        found += [each for inner, _ in stops for each in inner]
        stopped = all(is_stopped for _, is_stopped in stops) if stops else not own & taken
        if stopped and not _may_be_empty(item) and not _is_look(item):
            return found, True
    return found, False


def _is_look(item: Any) -> bool:
    return item[0] in (op.ASSERT, op.ASSERT_NOT, op.AT)


def _at_the_start(items: Sequence[Any], flags: int) -> Iterator[str]:
    """A search that begins with a repetition, or what it may take, tries every place of it if the rest can fail."""
    guard: set[str] = set()
    before: list[set[str]] = []
    for at, item in enumerate(items):
        kind, value = item
        if kind is op.ASSERT_NOT and value[0] < 0:
            guard |= _set_of(list(value[1]), flags)
        if kind is op.AT and value in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
            return
        if _is_look(item):
            continue
        if kind in (op.BRANCH, op.SUBPATTERN, op.ATOMIC_GROUP):
            for part in _parts(item):
                yield from _at_the_start([*items[:at], *part, *items[at + 1 :]], flags)
            return
        taken = _set_of([item], flags)
        if _is_endless(item):
            can_fail = any(not _may_be_empty(other) for other in items[at + 1 :])
            is_same = all(each & taken for each in before)
            if can_fail and is_same and not (before[0] if before else taken) <= guard:
                yield f"a search tries every place of a repetition without end of {_shown(taken)}"
        if not _may_be_empty(item):
            before.append(taken)


def _parts(item: Any) -> Iterator[list[Any]]:
    """The sequences that an item holds."""
    kind, value = item
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        yield list(value[2])
    elif kind is op.SUBPATTERN:
        yield list(value[3])
    elif kind is op.ATOMIC_GROUP:
        yield list(value)
    elif kind is op.BRANCH:
        yield from map(list, value[1])
    elif kind in (op.ASSERT, op.ASSERT_NOT):
        yield list(value[1])


def _all(items: Sequence[Any]) -> Iterator[Any]:
    for item in items:
        yield item
        if item[0] not in (op.ASSERT, op.ASSERT_NOT):
            for part in _parts(item):
                yield from _all(part)


def _may_be_empty(item: Any) -> bool:
    kind, value = item
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        return value[0] == 0 or all(map(_may_be_empty, value[2]))
    if kind in (op.SUBPATTERN, op.ATOMIC_GROUP):
        return all(map(_may_be_empty, next(_parts(item))))
    if kind is op.BRANCH:
        return any(all(map(_may_be_empty, part)) for part in _parts(item))
    return False  # a look around takes nothing, but it can fail


def _set_of(items: Sequence[Any], flags: int) -> set[str]:
    """Characters of the alphabet that may be taken anywhere in the items."""
    taken: set[str] = set()
    for item in items:
        kind, value = item
        if kind in (op.LITERAL, op.NOT_LITERAL, op.IN, op.ANY):
            taken |= _characters(repr(item), kind, value, flags)
        elif kind not in (op.ASSERT, op.ASSERT_NOT):
            for part in _parts(item):
                taken |= _set_of(part, flags)
            if kind is op.GROUPREF:
                taken |= set(_ALPHABET)
    return taken


_SETS: dict[tuple[str, int], set[str]] = {}


def _characters(key: str, kind: Any, value: Any, flags: int) -> set[str]:
    known = _SETS.get((key, flags))
    if known is None:
        known = _SETS[key, flags] = {c for c in _ALPHABET if _takes(kind, value, c, flags)}
    return known


def _takes(kind: Any, value: Any, char: str, flags: int) -> bool:
    if kind is op.ANY:
        return char != "\n" or bool(flags & re.DOTALL)
    forms = {char, char.lower(), char.upper()} if flags & re.IGNORECASE else {char}
    if kind is op.LITERAL:
        return any(len(form) == 1 and ord(form) == value for form in forms)
    if kind is op.NOT_LITERAL:
        return all(len(form) != 1 or ord(form) != value for form in forms)
    negated = value[0][0] is op.NEGATE
    return negated != any(_is_in(value, form) for form in forms if len(form) == 1)


_CATEGORIES = {
    op.CATEGORY_DIGIT: r"\d",
    op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_SPACE: r"\s",
    op.CATEGORY_NOT_SPACE: r"\S",
    op.CATEGORY_WORD: r"\w",
    op.CATEGORY_NOT_WORD: r"\W",
}


def _is_in(value: Any, char: str) -> bool:
    for kind, part in value:
        if kind is op.LITERAL and ord(char) == part:
            return True
        if kind is op.RANGE and part[0] <= ord(char) <= part[1]:
            return True
        if kind is op.CATEGORY and re.match(_CATEGORIES[part], char):
            return True
    return False


def _shown(characters: set[str]) -> str:
    return repr("".join(sorted(characters))[:20])
