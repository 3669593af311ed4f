"""The catalog: defaults, kinds, and what is not there."""

from dataclasses import replace

import pytest

from speech_service.calls.model_catalog import MAX_SHOWN_CHARACTERS, ModelCatalog
from speech_service.domain.errors import ResourceNotFoundError
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind

HEARS, HEARS_TOO = (
    ModelCapabilities(name, ModelKind.RECOGNIZER, ("en",), 16_000, 20_000) for name in ("a", "b")
)
SPEAKS = ModelCapabilities("c", ModelKind.SYNTHESIZER, ("en",), 24_000, 20_000)


def test_the_first_of_a_kind_is_its_default() -> None:
    catalog = ModelCatalog([HEARS, HEARS_TOO, SPEAKS])
    assert catalog.find("", ModelKind.RECOGNIZER).name == "a"
    assert catalog.find("", ModelKind.SYNTHESIZER) is SPEAKS
    assert [m.name for m in catalog.models if catalog.is_default(m)] == ["a", "c"]
    assert [m.name for m in catalog.models] == ["a", "b", "c"]


def test_another_default() -> None:
    catalog = ModelCatalog([HEARS, HEARS_TOO], "b")
    assert catalog.find("", ModelKind.RECOGNIZER).name == "b"
    assert not catalog.is_default(HEARS)
    with pytest.raises(ResourceNotFoundError):
        ModelCatalog([HEARS, SPEAKS], "c")


def test_what_is_not_there() -> None:
    catalog = ModelCatalog([HEARS, SPEAKS])
    assert catalog.get("c") is SPEAKS
    for name in ("c", "x", "x" * 1000):
        with pytest.raises(ResourceNotFoundError, match="Known: a\\.") as caught:
            catalog.find(name, ModelKind.RECOGNIZER)
        assert caught.value.name == name[:MAX_SHOWN_CHARACTERS]
        assert caught.value.resource_type == "model"
    with pytest.raises(ResourceNotFoundError, match="none"):
        catalog.find("", ModelKind.ALIGNER)
    with pytest.raises(ResourceNotFoundError, match="Known: a, c"):
        catalog.get("")


def aligner(name: str, *languages: str) -> ModelCapabilities:
    return ModelCapabilities(name, ModelKind.ALIGNER, languages, 16_000, 20_000)


def test_an_aligner_gives_recognizers_of_its_language_word_times() -> None:
    portuguese = ModelCapabilities("p", ModelKind.RECOGNIZER, ("pt",), 16_000, 20_000)
    catalog = ModelCatalog([HEARS, portuguese, aligner("x", "en-US")])
    more = {Capability.WORD_TIMES, Capability.SUBTITLES_ACCURATE}
    assert catalog.get("a").capabilities == {Capability.SUBTITLES_FAST, *more}
    assert catalog.get("p").capabilities == {Capability.SUBTITLES_FAST}


def test_the_aligner_of_a_language() -> None:
    models = [aligner("x", "en"), aligner("y", "en", "de")]
    by_order, by_default = ModelCatalog(models), ModelCatalog(models, "", "y")
    for catalog, name in ((by_order, "x"), (by_default, "y")):
        for language in ("", "en", "en-GB"):
            found = catalog.aligner_for(language)
            assert found is not None
            assert found.name == name
    found = by_order.aligner_for("de")
    assert found is not None
    assert found.name == "y"
    assert by_order.aligner_for("pt") is None
    with pytest.raises(ResourceNotFoundError):
        ModelCatalog([HEARS], "", "a")


def test_an_aligner_gives_synthesizers_of_its_language_word_timings() -> None:
    by_itself = replace(SPEAKS, name="d", capabilities=frozenset({Capability.WORD_TIMINGS}))
    german = replace(SPEAKS, name="e", languages=("de",))
    catalog = ModelCatalog([SPEAKS, by_itself, german, aligner("x", "en")])
    for name, has, says in (("c", True, False), ("d", True, True), ("e", False, False)):
        model = catalog.get(name)
        assert (Capability.WORD_TIMINGS in model.capabilities) is has
        assert catalog.says_when(model) is says
