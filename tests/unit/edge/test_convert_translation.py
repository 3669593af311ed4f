"""TranslationConfig: every field is honoured, refused by name or, leniently, warned of; which model serves a pair."""

from dataclasses import replace
from typing import Any

import pytest

from speech.v1 import common_pb2 as common
from speech.v1 import translation_service_pb2 as pb
from speech_service.calls import language_guess as languages
from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.requests.translation import TranslationRequest, TranslationRequests
from speech_service.config.tree import TranslationConfig
from speech_service.domain.call import Call
from speech_service.domain.errors import (
    InvalidFieldError,
    InvalidOptionError,
    PreconditionError,
    ResourceNotFoundError,
)
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.translation import GlossaryEntry, LanguageGuess
from speech_service.edge.v1.translation.config import TEXT_FIELDS, effective_config, wanted

PAIRS = ModelCapabilities(
    "pairs", ModelKind.TRANSLATOR, (), 0, 0, language_pairs=(("en", "pt"), ("pt", "en"))
)
ANY = ModelCapabilities(
    "any",
    ModelKind.TRANSLATOR,
    (),
    0,
    0,
    frozenset({Capability.ANY_LANGUAGE_PAIR, Capability.GLOSSARY, Capability.CONTEXT_TEXT}),
)
CATALOG = ModelCatalog([PAIRS, ANY])
ONLY_PAIRS = ModelCatalog([PAIRS])
CALL = Call("speech.v1.TranslationService", "TranslateText", "unary", "r")


def convert(
    catalog: ModelCatalog = CATALOG, default_model: str = "", **fields: Any
) -> TranslationRequest:
    settings = {"source_language": "en", "target_languages": ["pt"], **fields}
    config = TranslationConfig(default_model=default_model, max_targets=3)
    nothing: Any = None  # nothing is spoken here
    with TEXT_FIELDS.named():
        wish = wanted(pb.TranslationConfig(**settings), CALL)
        return TranslationRequests(catalog, config, nothing).check(wish)


def test_the_first_model_of_the_pair_serves_unless_another_is_named() -> None:
    assert convert().model == "pairs"
    assert convert(default_model="any").model == "any"
    assert convert(model="any").model == "any"
    assert convert(target_languages=["de"]).model == "any"
    request = convert(target_languages=["pt-BR", "de"])
    assert request.route("en", "pt-BR").model == "pairs"
    assert request.route("en", "de").model == "any"


def test_a_pair_that_nobody_has() -> None:
    with pytest.raises(PreconditionError) as caught:
        convert(ONLY_PAIRS, target_languages=["de"])
    assert "translator/openai" in caught.value.message
    with pytest.raises(PreconditionError):
        convert(ONLY_PAIRS, target_languages=["de"], source_language="")
    with pytest.raises(InvalidFieldError) as unsupported:
        convert(model="pairs", target_languages=["pt", "de"])
    assert unsupported.value.field == "config.target_languages[1]"
    with pytest.raises(ResourceNotFoundError):
        convert(model="nobody")


def test_codes_are_normal_and_the_effective_config_shows_them() -> None:
    request = convert(source_language="EN_us", target_languages=["pt_br"])
    assert (request.source, request.targets) == ("en-US", ("pt-BR",))
    given = pb.TranslationConfig(target_languages=["pt_br"], context="kept as it is")
    effective = effective_config(given, request)
    assert list(effective.target_languages) == ["pt-BR"]
    assert effective.HasField("partial_translations")
    assert effective.option_handling == common.OPTION_HANDLING_STRICT


def test_too_many_targets() -> None:
    with pytest.raises(InvalidFieldError):
        convert(target_languages=["pt", "de", "fr", "es"])


def test_a_glossary_is_for_models_that_heed_it() -> None:
    glossary = [pb.GlossaryEntry(source=" bank ", target="margem", target_language="pt-BR")]
    request = convert(model="any", glossary=glossary)
    assert request.route("en", "pt").glossary == (GlossaryEntry("bank", "margem", "pt-BR"),)
    with pytest.raises(InvalidFieldError) as caught:
        convert(model="pairs", glossary=glossary)
    assert (caught.value.field, caught.value.reason) == (
        "config.glossary[0]",
        "UNSUPPORTED_OPTION",
    )
    lenient = convert(
        model="pairs", glossary=glossary, option_handling=common.OPTION_HANDLING_LENIENT
    )
    assert lenient.route("en", "pt").glossary == ()
    assert [(w.reason, w.option) for w in lenient.warnings] == [("OPTION_IGNORED", "glossary[0]")]
    keep = [pb.GlossaryEntry(source="Acme", do_not_translate=True)]
    with pytest.raises(InvalidFieldError):
        convert(model="any", glossary=keep)


def test_a_glossary_that_makes_no_sense() -> None:
    both = pb.GlossaryEntry(source="a", target="b", do_not_translate=True)
    with pytest.raises(InvalidFieldError):
        convert(glossary=[both])
    with pytest.raises(InvalidFieldError):
        convert(glossary=[pb.GlossaryEntry(source="a" * 201, target="b")])
    with pytest.raises(InvalidFieldError):
        convert(glossary=[pb.GlossaryEntry(source="a", target="b")] * 501)


def test_an_unknown_source_is_checked_when_it_is_found() -> None:
    request = convert(ONLY_PAIRS, source_language="", target_languages=["pt"])
    assert request.route("en", "pt").model == "pairs"
    with pytest.raises(PreconditionError):
        request.route("fi", "pt")
    with pytest.raises(InvalidOptionError) as caught:
        request.route("", "pt")
    assert caught.value.reason == "SOURCE_LANGUAGE_UNKNOWN"


def test_several_texts_have_one_list_of_languages() -> None:
    found = [(LanguageGuess("en", 0.8), LanguageGuess("de", 0.2)), (LanguageGuess("pt", 1.0),), ()]
    texts = ["x" * 30, "y" * 10, "12"]
    assert languages.overall(texts, found) == (
        LanguageGuess("en", 0.6),
        LanguageGuess("pt", 0.25),
        LanguageGuess("de", 0.15),
    )
    assert languages.overall(["1"], [()]) == ()


def test_context() -> None:
    assert convert(model="any", context=" a letter ").route("en", "pt").context == "a letter"
    with pytest.raises(InvalidFieldError):
        convert(model="pairs", context="a letter")
    only = replace(PAIRS, capabilities=frozenset({Capability.CONTEXT_TEXT}))
    assert convert(ModelCatalog([only]), context="a").route("en", "pt").context == "a"
