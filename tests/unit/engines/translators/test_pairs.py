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
    error = no_model_for_pair("en", "de", ["marian-en-pt"])
    assert error.reason == "NO_TRANSLATOR_FOR_PAIR"
    for named in (
        "translator/marian",
        "en to pt, pt to en",
        "translator/openai",
        "options.base_url",
        "marian-en-pt",
    ):
        assert named in error.message
    assert len(error.message.encode()) <= 600  # the wire clips more


def test_the_error_of_a_chosen_model_lists_its_pairs() -> None:
    error = model_lacks_pair(MARIAN, "en", "de")
    assert error.option == "target_languages"
    assert error.metadata["supported"] == "en to pt, pt to en"
