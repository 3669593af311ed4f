"""Placeholders stand for what a model must not touch."""

import pytest

from speech_service.domain.translation import GlossaryEntry
from speech_service.text.protected import FORMS, Form, fragments, is_kept, mask, terms_for, unmask

GLOSSARY = [
    GlossaryEntry("New York", target="NI"),
    GlossaryEntry("New York City", target="CNI", target_language="pt"),
    GlossaryEntry("iPhone", do_not_translate=True),
    GlossaryEntry("cat", target="Katze", target_language="de"),
    GlossaryEntry("  ", target="nothing"),
    GlossaryEntry("C++", do_not_translate=True),
]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_masked_comes_back(form: Form) -> None:
    text = "In new  york city an IPHONE, a cat; newyork 😀👍🏽 <b>x</b> a@b.co https://x.org/?q=1. C++!"
    masked, marks = mask(text, terms_for(GLOSSARY, "pt-BR"), form)
    for gone in ("IPHONE", "york city", "😀", "<b>", "a@b.co", "https", "C++"):
        assert gone not in masked
    assert "cat" in masked
    assert "newyork" in masked
    expected = text.replace("new  york city", "CNI")
    assert unmask(masked, marks) == expected
    assert "".join(a + b for a, b in fragments(text, terms_for(GLOSSARY, "pt-BR"))) == expected


@pytest.mark.parametrize("damage", ["", "XQ1Z XQ1Z", "xq1z", "XQ1Zs", "XQ11Z", "XQ 1Z"])
def test_damage_is_seen(damage: str) -> None:
    _, marks = mask("iPhone", terms_for(GLOSSARY, "pt"), FORMS[0])
    assert unmask(f"o {damage} novo", marks) is None


def test_a_text_with_placeholders_of_its_own() -> None:
    masked, marks = mask("XQ1Z and iPhone", terms_for(GLOSSARY, "pt"), FORMS[0])
    assert masked == "XQ1Z and XQ2Z"
    assert unmask(masked, marks) == "XQ1Z and iPhone"


def test_kept_terms() -> None:
    terms = {term.entry.source: term for term in terms_for(GLOSSARY, "de")}
    assert is_kept(terms["cat"], "The cat and the cat.", "Die Katze und die Katze.")
    assert not is_kept(terms["cat"], "The cat and the cat.", "Die Katze und der Kater.")
    assert not is_kept(terms["cat"], "The cat.", "Katzenhaus.")
    assert is_kept(terms["cat"], "No pets.", "Nichts.")
    assert "New York City" not in terms
