"""Documents use the words of the glossary; ``docs/reference`` brings the help of commands and the proto comments."""

import re
from pathlib import Path

import pytest

from tests.architecture.test_architecture import ROOT
from tests.architecture.test_links import files, tokens_of

GLOSSARY = ROOT / "CONTRIBUTING.md"
EXEMPT = ("CHANGELOG.md", "docs/decisions/", "tests/", "benchmarks/", "NOTICE")
"""They tell of their time, or are not ours."""


def synonyms() -> list[str]:
    section = GLOSSARY.read_text(encoding="utf-8").split("## Words")[1].split("##")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")]
    return [word.strip() for row in rows[1:] for word in row[2].split(",") if word.strip(" -")]


def forms_of(word: str) -> str:
    """Match a word in any form: a verb ends in "e", all others are nouns."""
    stem = re.escape(word.removesuffix("e"))
    return f"{stem}(e|es|ed|er|ers|ing)" if word.endswith("e") else f"{stem}(s|es)?"


def prose_of(path: Path) -> str:
    """Give the text of a document without code; of the glossary itself without its table."""
    tokens = tokens_of(path)
    text = [
        token.content for block in tokens for token in block.children or () if token.type == "text"
    ]
    if path == GLOSSARY:
        listed = set(synonyms())
        text = [part for part in text if not set(map(str.strip, part.split(","))) & listed]
    return " ".join(text)


def documents() -> list[Path]:
    return [path for path in files("*.md") if not str(path.relative_to(ROOT)).startswith(EXEMPT)]


def test_the_glossary_names_words_to_avoid() -> None:
    assert {"transcribe", "caption", "job"} <= set(synonyms())


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_use_the_words_of_the_glossary(document: Path) -> None:
    forms = "|".join(map(forms_of, synonyms()))
    pattern = re.compile(rf"\b({forms})\b", re.IGNORECASE)
    found = [match[0] for match in pattern.finditer(prose_of(document))]
    assert not found, "CONTRIBUTING.md, Words, says what to write instead"
