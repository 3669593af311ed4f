"""Every relative link of a document leads to a file of the repository, and to a heading that is there."""

import itertools
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.architecture.test_architecture import ROOT

PARSER = MarkdownIt("commonmark").enable("table")


@cache
def files(pattern: str) -> list[Path]:
    """List the files that a clone has."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for line in listed.stdout.splitlines() if (path := ROOT / line).exists()]


def tokens_of(path: Path) -> list[Token]:
    return PARSER.parse(path.read_text(encoding="utf-8"))


def links_of(path: Path) -> Iterator[str]:
    for block in tokens_of(path):
        for token in block.children or ():
            target = token.attrGet("href" if token.type == "link_open" else "src")
            if isinstance(target, str):
                yield target


@cache
def anchors_of(path: Path) -> set[str]:
    """Name the headings as GitHub does."""
    found: set[str] = set()
    tokens = tokens_of(path)
    for opening, inline in itertools.pairwise(tokens):
        if opening.type != "heading_open":
            continue
        text = "".join(
            t.content for t in inline.children or () if t.type in ("text", "code_inline")
        )
        base = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        number, name = 0, base
        while name in found:
            number += 1
            name = f"{base}-{number}"
        found.add(name)
    return found


@pytest.mark.parametrize("document", files("*.md"), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    broken: list[str] = []
    for target in links_of(document):
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        file = (document.parent / unquote(parts.path)).resolve() if parts.path else document
        if not (file.exists() and file.is_relative_to(ROOT)):
            broken.append(f"{target}: no such file")
        elif parts.fragment and parts.fragment not in anchors_of(file):
            broken.append(f"{target}: no such heading")
    assert not broken


def test_the_index_of_the_documents_names_all() -> None:
    index = ROOT / "docs" / "README.md"
    named = {(index.parent / urlsplit(link).path).resolve() for link in links_of(index)}
    folders = [ROOT / "docs", ROOT / "docs" / "reference"]
    missing = {path for folder in folders for path in folder.glob("*.md")} - {index} - named
    assert not missing


@pytest.mark.parametrize("document", files("*.md"), ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_that_a_document_names_are_there(document: Path) -> None:
    if document.parent.name == "decisions" or document.name == "CHANGELOG.md":
        return  # They tell of their time; the status of a decision says where its code is now.
    code = [
        token.content
        for block in tokens_of(document)
        for token in block.children or ()
        if token.type == "code_inline"
    ]
    named = [text for text in code if re.fullmatch(r"[\w./]+/\w+\.py", text)]
    there = [f"/{path.relative_to(ROOT)}" for path in files("*.py")]
    missing = [text for text in named if not any(path.endswith(f"/{text}") for path in there)]
    assert not missing
