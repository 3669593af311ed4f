"""One suite for every translator, and what only some of them promise."""

from collections.abc import Iterator, Mapping

import pytest

from speech_service.domain.errors import (
    InternalError,
    UnavailableError,
    UnsupportedOptionError,
)
from speech_service.domain.models import ModelKind
from speech_service.domain.translation import GlossaryEntry
from speech_service.engines.fake import translator as fake
from speech_service.engines.marian import engine as marian
from speech_service.engines.marian.piece import LoadedDirection
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine
from tests.contract.translation_server import (
    ScriptedServer,
    good,
    serving,
)
from tests.contract.translators import done, failed, open_ai, result_of, run, work_of

KINDS = ("fake", "marian", "openai", "openai-streaming")


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def engines(server: ScriptedServer) -> Iterator[Mapping[str, Engine]]:
    shared = SharedModels()
    streaming = open_ai(server.url, streaming=True)
    plain = open_ai(server.url)
    yield {
        "fake": fake.build(fake.FakeTranslatorOptions(), shared),
        "marian": marian.build(marian.MarianOptions(), shared),
        "openai": plain,
        "openai-streaming": streaming,
    }
    plain.close()
    streaming.close()


@pytest.fixture(params=KINDS)
def engine(
    request: pytest.FixtureRequest,
    engines: Mapping[str, Engine],
    server: ScriptedServer,
) -> Iterator[Engine]:
    """An engine; a test that leaves work behind spoils the next."""
    server.behaviour = good
    chosen = engines[request.param]
    yield chosen
    assert list(chosen.step()) == []


def test_capabilities(engine: Engine) -> None:
    assert engine.capabilities.kind is ModelKind.TRANSLATOR
    assert engine.capabilities.max_batch > 1


def test_each_text_gets_its_own_translation(engine: Engine) -> None:
    texts = ["The dog sleeps.", "Good morning!", "I live in London."]
    together = done(engine, work_of(texts))
    assert len(together.texts) == 3
    assert not together.failed
    for text, translation in zip(texts, together.texts, strict=True):
        assert translation
        assert translation != text
        assert done(engine, work_of([text])).texts == (translation,)


def test_white_space_and_paragraphs_stay(engine: Engine) -> None:
    text = "  The dog sleeps.\n\n\tGood morning!  \n"
    translation = done(engine, work_of([text])).texts[0]
    assert translation.startswith("  ")
    assert translation.endswith("  \n")
    assert translation.count("\n\n") == 1


@pytest.mark.parametrize("text", ["", "   \n", "123 + 4", "😀", "..."])
def test_what_has_no_words_is_left_alone(engine: Engine, text: str) -> None:
    assert done(engine, work_of([text])).texts == (text,)


def test_no_texts_is_no_error(engine: Engine) -> None:
    assert done(engine, work_of([])).texts == ()


def test_a_term_that_is_not_to_be_translated_stays(engine: Engine) -> None:
    glossary = [GlossaryEntry("Blue Sky", do_not_translate=True)]
    result = done(engine, work_of(["My Blue Sky is broken again."], glossary=glossary))
    assert "Blue Sky" in result.texts[0]
    assert not result.lost_terms


def test_a_text_that_is_no_text_fails_alone(engine: Engine) -> None:
    result = done(engine, work_of(["Good morning!", "broken \ud800 text", "The dog sleeps."]))
    assert result.failed == {1: "INVALID_TEXT"}
    assert result.texts[0]
    assert result.texts[1] == ""
    assert result.texts[2]


def test_items_side_by_side_do_not_touch_each_other(engine: Engine) -> None:
    jobs = [
        work_of([f"The dog number {i} sleeps.", "Good morning!"], work_id=str(i)) for i in range(6)
    ]
    ends = run(engine, *jobs)
    for work_id, event in ends.items():
        assert work_id in result_of(event).texts[0]


def test_abort_forgets_between_steps(engine: Engine) -> None:
    long = " ".join(["The children played in the garden with the old dog."] * 40)
    for steps in range(3):
        engine.admit(work_of([long], work_id=f"gone-{steps}"))
        for _ in range(steps):
            engine.step()
        engine.abort(f"gone-{steps}")
        assert list(engine.step()) == []
    engine.abort("never admitted")
    assert done(engine, work_of(["Good morning!"])).texts[0]


def test_a_long_text_is_translated_whole(engine: Engine) -> None:
    text = "\n\n".join(f"This is paragraph {i}. The dog sleeps." for i in range(60))
    translation = done(engine, work_of([text])).texts[0]
    assert translation.count("\n\n") == 59
    for i in range(60):
        assert f"{i}" in translation


# --- what only one of them can promise ---


def test_fake_is_reversible_and_fails_when_told_to() -> None:
    engine = fake.build(
        fake.FakeTranslatorOptions(fail_every=2, fail_word="poison"), SharedModels()
    )
    text = "Hello world, it's 5 o'clock!"
    result = done(engine, work_of([text, "poison here"], target="de"))
    assert fake.original(result.texts[0], "de") == text
    assert list(result.failed) == [1]
    assert isinstance(failed(engine, work_of([text])), InternalError)
    assert isinstance(failed(engine, work_of(["poison"])), UnavailableError)


@pytest.fixture
def marian_engine(engines: Mapping[str, Engine]) -> marian.MarianTranslator:
    engine = engines["marian"]
    assert isinstance(engine, marian.MarianTranslator)
    return engine


def test_marian_translates_both_ways(marian_engine: marian.MarianTranslator) -> None:
    there = marian_engine.translate(["The children played in the garden."], "en", "pt-BR")
    assert there.texts == ("As crianças brincavam no jardim.",)
    back = marian_engine.translate(there.texts, "pt", "en-US")
    assert back.texts == ("The children played in the garden.",)


def test_marian_keeps_terms_addresses_tags_and_emoji(
    marian_engine: marian.MarianTranslator,
) -> None:
    glossary = [
        GlossaryEntry("dog", target="cachorrinho", target_language="pt"),
        GlossaryEntry("dog", target="Hund", target_language="de"),
        GlossaryEntry("New York", target="NI"),
        GlossaryEntry("New York City", target="Cidade de Nova Iorque"),
    ]
    text = "The Dog of bob@x.org is in New York City 😀. See https://x.org/a?b=1, <b>now</b>!"
    translation = marian_engine.translate([text], "en", "pt", glossary).texts[0]
    for kept in ("cachorrinho", "bob@x.org", "Cidade de Nova Iorque", "😀", "https://x.org/a?b=1,"):
        assert translation.count(kept) == 1
    assert "<b>" in translation
    assert "</b>" in translation
    assert "Hund" not in translation


class Stubborn:
    """A model that keeps no placeholder at all."""

    def translate(self, text: str) -> str:
        return "".join(char for char in text.upper() if not char.isdigit()).replace("XQZ", "")


def test_marian_keeps_terms_even_of_a_model_that_keeps_nothing() -> None:
    engine = marian.MarianTranslator(
        marian.MarianOptions(), {("en", "pt"): LoadedDirection(Stubborn())}
    )
    glossary = [GlossaryEntry("dog", target="cão"), GlossaryEntry("iPhone", do_not_translate=True)]
    result = engine.translate(["the dog has an iPhone here."], "en", "pt", glossary)
    assert result.texts == ("THE cão HAS AN iPhone HERE.",)


class Looping:
    """A model that cannot stop."""

    def translate(self, text: str) -> str:
        return text if "fine" in text else "la " * 500


def test_marian_says_so_when_the_model_answers_nonsense() -> None:
    engine = marian.MarianTranslator(
        marian.MarianOptions(), {("en", "pt"): LoadedDirection(Looping())}
    )
    result = engine.translate(["this is fine", "this is not"], "en", "pt")
    assert result.texts == ("this is fine", "")
    assert result.errors[1].reason == "UNTRANSLATABLE_TEXT"


def test_marian_refuses_other_pairs(marian_engine: marian.MarianTranslator) -> None:
    error = failed(marian_engine, work_of(["Hello"], target="de"))
    assert isinstance(error, UnsupportedOptionError)
    assert error.metadata["supported"] == "en to pt, pt to en"


def test_marian_takes_text_without_a_break(marian_engine: marian.MarianTranslator) -> None:
    result = marian_engine.translate(["word " * 400, "x" * 10_000], "en", "pt")
    assert not result.errors
    assert result.texts[1] == "x" * 10_000
