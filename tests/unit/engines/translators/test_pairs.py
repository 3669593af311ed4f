"""What is said of a pair that nobody serves."""

from speech_service.engines import openai
from speech_service.engines.fake import translator as fake
from speech_service.engines.language_pairs import (
    model_lacks_pair,
    no_model_for_pair,
    serves_pair,
)
from speech_service.engines.marian import engine as marian

MARIAN = marian.describe(marian.MarianOptions())


def test_pairs() -> None:
    assert serves_pair(MARIAN, "en-GB", "pt-BR")
    assert not serves_pair(MARIAN, "en", "de")
    assert not serves_pair(MARIAN, "pt", "pt")
    assert not serves_pair(MARIAN, "", "pt")
    server = openai.OpenAiOptions(base_url="http://127.0.0.1:1/v1", model="m")
    for any_pair in (openai.describe(server), fake.describe(fake.FakeTranslatorOptions())):
        assert serves_pair(any_pair, "sw", "tlh")
        assert serves_pair(any_pair, "", "de")


def test_the_error_names_both_ways_to_get_a_pair() -> None:
    error = no_model_for_pair("en", "de", [MARIAN])
    assert "guessed" not in error.message
    assert error.reason == "NO_TRANSLATOR_FOR_PAIR"
    for named in (
        "translator/marian",
        "en to pt, pt to en",
        "translator/openai",
        "options.base_url",
        "from English (en) to German (de) (it has marian-en-pt: en to pt, pt to en)",
    ):
        assert named in error.message
    assert len(error.message.encode()) <= 600  # the wire clips more


def test_the_error_of_a_chosen_model_lists_its_pairs() -> None:
    error = model_lacks_pair(MARIAN, "en", "de")
    assert error.option == "target_languages"
    assert error.metadata["supported"] == "en to pt, pt to en"


def test_a_source_that_was_guessed_is_said_to_be_before_anything_is_to_be_added() -> None:
    error = no_model_for_pair("it", "en", [MARIAN] * 3, guessed=True)
    assert "from Italian (it) to English (en)" in error.message
    assert error.message.index("was guessed") < error.message.index("To add one")
    assert "source_language" in error.message
    assert len(error.message.encode()) <= 600
    chosen = model_lacks_pair(MARIAN, "it", "en", guessed=True)
    assert "from Italian (it) to English (en); that language was guessed" in chosen.message
    assert "an unnamed language" in no_model_for_pair("", "en", [MARIAN], guessed=True).message
