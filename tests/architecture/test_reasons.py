"""The tables of reasons have every reason that the package names, and none that nothing names."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import grpc

from speech_service.domain import errors
from speech_service.domain.models import Capability
from speech_service.domain.reasons import ERRORS
from speech_service.domain.warning_reasons import WARNINGS
from tests.architecture.test_architecture import ROOT, nodes_of, sources, where
from tools.docs.errors import wire_of

PACKAGE = ROOT / "speech_service"
TABLES = {
    PACKAGE / f"domain/{name}.py" for name in ("reasons", "access_reasons", "warning_reasons")
}
OF_CLIENTS = {PACKAGE / name for name in ("cli", "config", "observability")}
"""They read reasons, or hold names of other things; nothing there makes an error of the service."""
FORM = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
NO_REASONS = {
    *(capability.value for capability in Capability),
    *(code.name for code in grpc.StatusCode),
    "TIMING_NONE",  # a value of the contract, shown in an error
    "KEY_VALUES_MISMATCH",  # of OpenSSL
    *("GLIBC_TUNABLES", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"),  # of the environment
    *("SC_PAGE_SIZE", "SC_CLK_TCK"),  # of sysconf
}
IN_TABLE = {reason.name: reason for reasons in ERRORS.values() for reason in reasons}
IN_WARNINGS = {reason.name for reason in WARNINGS}


class Site(NamedTuple):
    """A place that makes an error: where, of which class (None: not a class of the tree), for which reasons."""

    place: str
    error: type[errors.SpeechError] | None
    pattern: str


@cache
def calls() -> list[tuple[Path, ast.Call]]:
    return [(path, node) for path, node in package_nodes() if isinstance(node, ast.Call)]


@cache
def literals() -> list[tuple[str, Path, ast.Constant]]:
    return [
        (node.value, path, node)
        for path, node in package_nodes()
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and FORM.fullmatch(node.value)
    ]


def package_nodes() -> Iterator[tuple[Path, ast.AST]]:
    for path in sources(("speech_service",)):
        if path not in TABLES and not OF_CLIENTS & {*path.parents}:
            yield from ((path, node) for node in nodes_of(path))


def error_class(call: ast.Call) -> type[errors.SpeechError] | None:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    found = getattr(errors, name, None)
    return found if isinstance(found, type) and issubclass(found, errors.SpeechError) else None


def pattern_of(value: ast.expr) -> str | None:
    """What a reason looks like, as a regular expression; None where the value only hands one on."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return re.escape(value.value)
    if isinstance(value, ast.JoinedStr):
        return "".join(
            re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[A-Z]+"
            for part in value.values
        )
    return None


@cache
def sites() -> list[Site]:
    found: list[Site] = []
    for path, node in calls():
        if path == PACKAGE / "domain/errors.py":
            continue
        kind, place = error_class(node), where(path, node)
        given = next((word.value for word in node.keywords if word.arg == "reason"), None)
        if given is not None:
            pattern = pattern_of(given)
            if pattern is not None and not pattern.islower():  # reasons of metrics are
                found.append(Site(place, kind, pattern))
        elif kind is errors.ResourceNotFoundError:
            resource = node.args[0]
            assert isinstance(resource, ast.Constant), place
            found.append(Site(place, kind, f"{str(resource.value).upper()}_NOT_FOUND"))
        elif kind is not None and node.args:
            found.append(Site(place, kind, kind.reason))
    return found + [
        Site(where(path, node), None, pattern)
        for path, node in package_nodes()
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "reason"
        and path != PACKAGE / "domain/errors.py"
        and (pattern := pattern_of(node.value)) is not None
    ]


def test_every_error_has_its_reason_in_the_table() -> None:
    found = sites()
    assert len(found) > 100, "the sites are no longer found"
    unknown = [
        site for site in found if not any(re.fullmatch(site.pattern, name) for name in IN_TABLE)
    ]
    assert not unknown, unknown


def test_the_table_says_how_the_error_looks_on_the_wire() -> None:
    wrong = [
        (site, reason.error)
        for site in sites()
        for name, reason in IN_TABLE.items()
        if site.error is not None
        and re.fullmatch(site.pattern, name)
        and wire_of(site.error) != wire_of(reason.error)
    ]
    assert not wrong, wrong


def test_the_table_has_no_error_that_nothing_raises() -> None:
    patterns = {site.pattern for site in sites()}
    unused = [name for name in IN_TABLE if not any(re.fullmatch(each, name) for each in patterns)]
    assert not unused, unused


def test_servers_behind_this_one_have_their_reasons() -> None:
    subjects = {
        str(node.args[1].value).upper()
        for _, node in calls()
        if getattr(node.func, "id", "") == "ServerRole" and isinstance(node.args[1], ast.Constant)
    }
    assert subjects, "the sites are no longer found"
    for ending in ("_MISCONFIGURED", "_REFUSED", "_UNAVAILABLE"):
        known = {name.removesuffix(ending) for name in IN_TABLE if name.endswith(ending)}
        assert known - {"VOICE_STORE", "TOKEN_KEYS"} == subjects


def test_every_literal_that_looks_like_a_reason_is_one() -> None:
    known = IN_TABLE.keys() | IN_WARNINGS | NO_REASONS
    unknown = [
        f"{where(path, node)} {value}"
        for value, path, node in literals()
        if path != PACKAGE / "domain/errors.py" and value not in known
    ]
    assert not unknown, f"domain/reasons.py and warning_reasons.py have no sentence for: {unknown}"


def test_every_warning_has_its_reason_in_the_table_and_the_table_no_other() -> None:
    made = {
        node.args[0].value
        for _, node in calls()
        if getattr(node.func, "id", getattr(node.func, "attr", "")) == "StreamWarning"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert made, "the sites are no longer found"
    assert made <= IN_WARNINGS
    named = {value for value, _, _ in literals()}
    assert named >= IN_WARNINGS, IN_WARNINGS - named


def test_texts_are_sentences() -> None:
    texts = [text for each in IN_TABLE.values() for text in (each.meaning, each.remedy)]
    texts += [text for each in WARNINGS for text in (each.meaning, each.remedy)]
    assert not [text for text in texts if not (text[0].isupper() and text.endswith("."))]
