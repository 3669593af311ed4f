"""Placeholders stand for what a model must not touch."""

import pytest

from speech_service.domain.translation import GlossaryEntry
from speech_service.text import signs
from speech_service.text.placeholders import (
    FORMS,
    Form,
    Protected,
    fragments,
    is_kept,
    mask,
    protected,
    terms_for,
    unmask,
    widened,
)

GLOSSARY = [
    GlossaryEntry("New York", target="NI"),
    GlossaryEntry("New York City", target="CNI", target_language="pt"),
    GlossaryEntry("iPhone", do_not_translate=True),
    GlossaryEntry("cat", target="Katze", target_language="de"),
    GlossaryEntry("  ", target="nothing"),
    GlossaryEntry("C++", do_not_translate=True),
]


def spans(text: str, target: str = "pt") -> list[Protected]:
    return protected(text, terms_for(GLOSSARY, target), signs.tells(text))


@pytest.mark.parametrize("form", FORMS)
def test_what_is_masked_comes_back(form: Form) -> None:
    text = "In new  york city an IPHONE, a cat; newyork 😀👍🏽 <b>x</b> a@b.co https://x.org/?q=1. C++!"
    masked, marks = mask(text, spans(text, "pt-BR"), form)
    for gone in ("IPHONE", "york city", "😀", "<b>", "a@b.co", "https", "C++"):
        assert gone not in masked
    assert "cat" in masked
    assert "newyork" in masked
    expected = text.replace("new  york city", "CNI")
    assert unmask(masked, marks) == expected
    assert "".join(a + b for a, b in fragments(text, spans(text, "pt-BR"))) == expected


@pytest.mark.parametrize("damage", ["", "XQ1Z XQ1Z", "xq1z", "XQ1Zs", "XQ11Z", "XQ 1Z"])
def test_damage_is_seen(damage: str) -> None:
    _, marks = mask("iPhone", spans("iPhone"), FORMS[0])
    assert unmask(f"o {damage} novo", marks) is None


def test_a_text_with_placeholders_of_its_own() -> None:
    text = "XQ1Z and iPhone"
    masked, marks = mask(text, spans(text), FORMS[0])
    assert masked == "XQ1Z and XQ2Z"
    assert unmask(masked, marks) == "XQ1Z and iPhone"


def test_kept_terms() -> None:
    terms = {term.entry.source: term for term in terms_for(GLOSSARY, "de")}
    assert is_kept(terms["cat"], "The cat and the cat.", "Die Katze und die Katze.")
    assert not is_kept(terms["cat"], "The cat and the cat.", "Die Katze und der Kater.")
    assert not is_kept(terms["cat"], "The cat.", "Katzenhaus.")
    assert is_kept(terms["cat"], "No pets.", "Nichts.")
    assert "New York City" not in terms


def test_a_term_inside_an_address_is_rendered_and_the_rest_stays() -> None:
    text = "See https://iPhone.org/new and C++_notes.txt!"
    masked, marks = mask(text, spans(text), FORMS[0])
    assert "org" not in masked
    assert "notes" not in masked
    assert unmask(masked, marks) == text


def test_more_spans_join_those_that_they_touch() -> None:
    held = [Protected(2, 5)]
    assert widened("a bcd ef", held, [(0, 6)]) == [Protected(0, 6)]
    assert widened("a bcd ef", held, [(6, 8)]) == [Protected(2, 5), Protected(6, 8)]
