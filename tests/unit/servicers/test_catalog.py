"""The catalog: defaults, kinds, and what is not there."""

import pytest

from speech_service.domain.errors import ResourceNotFoundError
from speech_service.domain.models import ModelCapabilities, ModelKind
from speech_service.servicers.catalog import MAX_SHOWN_CHARACTERS, ModelCatalog

HEARS, HEARS_TOO = (
    ModelCapabilities(name, ModelKind.RECOGNIZER, ("en",), 16_000, 20_000) for name in ("a", "b")
)
SPEAKS = ModelCapabilities("c", ModelKind.SYNTHESIZER, ("en",), 24_000, 20_000)


def test_the_first_of_a_kind_is_its_default() -> None:
    catalog = ModelCatalog([HEARS, HEARS_TOO, SPEAKS])
    assert catalog.find("", ModelKind.RECOGNIZER) is HEARS
    assert catalog.find("", ModelKind.SYNTHESIZER) is SPEAKS
    assert [m.name for m in catalog.models if catalog.is_default(m)] == ["a", "c"]
    assert tuple(catalog.models) == (HEARS, HEARS_TOO, SPEAKS)


def test_another_default() -> None:
    catalog = ModelCatalog([HEARS, HEARS_TOO], "b")
    assert catalog.find("", ModelKind.RECOGNIZER) is HEARS_TOO
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
