"""Rules about the source itself. Layers are rules of import-linter, in pyproject.toml."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("speech_service", "clients/python/speech_client")
PRODUCT = ("speech_service", "clients", "tools", "benchmarks")
HAND_WRITTEN = (*PRODUCT, "tests")
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
MAX_FOLDER_FILES = 20
BELOW_THE_EDGE = (
    "calls",
    "dispatch",
    "domain",
    "engines",
    "media",
    "sessions",
    "text",
    "worker",
)
FIELD_PATH = re.compile(r"(update_)?config\.(?!json\b)|audio\.data\b")
ENVIRONMENT_READER = ROOT / "speech_service" / "config/environment.py"
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb"}
# Modules that run code found in data.
UNSAFE_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "cloudpickle",
    "dill",
    "joblib",
    "marshal",
    "shelve",
}
UNSAFE_ARGUMENTS = {"trust_remote_code", "allow_pickle"}
# Written in two parts so that this file does not find itself.
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")


def sources(folders: tuple[str, ...]) -> list[Path]:
    """List the hand-written Python files below some folders of the repository."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if "node_modules" not in path.parts)


def where(path: Path, node: ast.AST | None = None) -> str:
    """Name a place as an editor can open it."""
    line = f":{getattr(node, 'lineno', 1)}" if node else ""
    return f"{path.relative_to(ROOT)}{line}"


def nodes(folders: tuple[str, ...], *words: str) -> Iterator[tuple[Path, ast.AST]]:
    """Give each node of the syntax trees of the files below some folders that hold one of ``words``; none: of all."""
    for path in sources(folders):
        if not words or any(word in text_of(path) for word in words):
            for node in nodes_of(path):
                yield path, node


@cache
def text_of(path: Path) -> str:
    """Read one file; the tests ask for the same ones."""
    return path.read_text()


@cache
def tree_of(path: Path) -> ast.Module:
    """Parse one file."""
    return ast.parse(text_of(path), filename=str(path))


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    """Every node of one file."""
    return list(ast.walk(tree_of(path)))


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of one file; no expression is looked into, as none holds one."""
    blocks: list[ast.AST] = [tree_of(path)]
    while blocks:
        block = blocks.pop()
        if isinstance(block, ast.FunctionDef | ast.AsyncFunctionDef):
            yield block
        for inner in ("body", "orelse", "finalbody", "handlers", "cases"):
            if isinstance(parts := getattr(block, inner, None), list):  # an expression's is no list
                blocks += parts


def imported(node: ast.AST) -> list[str]:
    """Give the dotted names that an import statement brings in; nothing for any other node."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def dotted(node: ast.AST) -> str:
    """Give `a.b` for an attribute of a plain name; empty for any other node."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return ""


def test_files_are_short() -> None:
    lengths = {path: len(text_of(path).splitlines()) for path in sources(HAND_WRITTEN)}
    long = [f"{where(path)}: {n} lines" for path, n in lengths.items() if n > MAX_FILE_LINES]
    assert not long, f"more than {MAX_FILE_LINES} lines: {long}"


def test_functions_are_short() -> None:
    long = [
        f"{where(path, node)} {node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines"
        for path in sources(HAND_WRITTEN)
        for node in functions_of(path)
        if (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
    ]
    assert not long, f"more than {MAX_FUNCTION_LINES} lines: {long}"


def test_folders_are_small() -> None:
    counts = Counter(path.parent for path in sources(("speech_service",)))
    full = {where(folder): n for folder, n in counts.items() if n > MAX_FOLDER_FILES}
    assert not full, f"more than {MAX_FOLDER_FILES} files: {full}"


def test_a_class_name_means_one_class() -> None:
    places: dict[str, list[str]] = {}
    for path in sources(("speech_service",)):
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(where(path, node))
    shared = {name: found for name, found in places.items() if len(found) > 1}
    assert not shared, f"one name for several classes: {shared}"


def test_below_the_edge_nobody_knows_the_fields_of_the_wire() -> None:
    """An error below ``edge`` names an option; the names of the files of models are no fields."""
    below = [f"speech_service/{part}" for part in BELOW_THE_EDGE]
    found = [
        f"{where(path, node)}: {node.value[:60]!r}"
        for path, node in nodes(tuple(below), "config.", "audio.data")
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if FIELD_PATH.match(node.value)
    ]
    assert not found, f"field paths: {found}"


def test_what_an_event_holds_is_not_guessed() -> None:
    """Events are unions of classes, and streams are made by their first message: nothing asks whether it is there."""
    guessed = [
        where(path, node)
        for path, node in nodes(
            ("speech_service/calls", "speech_service/edge", "speech_service/sessions"),
            "getattr",
            "_opened",
        )
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) == "getattr"
            and ast.unparse(node.args[0]).endswith("event")
        )
        or (isinstance(node, ast.Assert) and "_opened" in ast.unparse(node.test))
    ]
    assert not guessed


def test_only_the_configuration_reads_the_environment() -> None:
    names = {f"os.{name}" for name in ENVIRONMENT}
    found = [
        where(path, node)
        for path, node in nodes(PRODUCT, *ENVIRONMENT)
        if path != ENVIRONMENT_READER and (dotted(node) in names or names & {*imported(node)})
    ]
    assert not found, f"the environment is read in {where(ENVIRONMENT_READER)} only: {found}"


def test_no_code_is_loaded_from_data() -> None:
    found: list[str] = []
    for path, node in nodes(PRODUCT, *UNSAFE_MODULES, *UNSAFE_ARGUMENTS, "torch"):
        unsafe = any(name.split(".")[0] in UNSAFE_MODULES for name in imported(node))
        unsafe |= dotted(node) == "torch.load" or "torch.load" in imported(node)
        unsafe |= isinstance(node, ast.keyword) and node.arg in UNSAFE_ARGUMENTS
        unsafe |= isinstance(node, ast.Constant) and node.value in UNSAFE_ARGUMENTS
        if unsafe:
            found.append(where(path, node))
    assert not found, f"pickle and its like run code found in data: {found}"


def test_packages_say_what_they_are() -> None:
    folders = {path.parent for path in sources(PACKAGES)}
    markers = [folder / "__init__.py" for folder in sorted(folders)]
    silent = [
        where(marker)
        for marker in markers
        if not marker.is_file() or not ast.get_docstring(tree_of(marker))
    ]
    assert not silent, f"a package has an __init__.py with a docstring: {silent}"


def test_nothing_is_left_for_later() -> None:
    found = [
        f"{where(path)}:{number}"
        for path in [*sources(HAND_WRITTEN), *sorted((ROOT / "proto").rglob("*.proto"))]
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if UNFINISHED.search(line)
    ]
    found += [
        where(path, node)
        for path, node in nodes(HAND_WRITTEN, "NotImplementedError")
        if isinstance(node, ast.Raise) and "NotImplementedError" in ast.unparse(node)
    ]
    assert not found, f"unfinished: {found}"


def test_layers_hold() -> None:
    # Not in this process: the linter turns off every logger that there is, for the tests after it, too.
    call = 'from importlinter.cli import lint_imports as lint; raise SystemExit(lint("pyproject.toml", no_cache=True))'
    done = subprocess.run(
        [sys.executable, "-c", call], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_constraints_pin_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.partition("==")
            pins[canonicalize_name(name)] = version
    extras = project["optional-dependencies"]
    wanted = [
        Requirement(line)
        for line in [*project["dependencies"], *extras["server"], *extras["dev"], *extras["lint"]]
    ]
    wrong = [
        f"{need} is pinned to {pins.get(canonicalize_name(need.name))}"
        for need in wanted
        if not need.specifier.contains(
            pins.get(canonicalize_name(need.name), "0"), prereleases=True
        )
    ]
    assert not wrong, wrong
