"""Which model translates which pair of languages for one request."""

from collections.abc import Sequence

from speech_service.calls.model_catalog import ModelCatalog
from speech_service.domain.errors import InvalidOptionError, ResourceNotFoundError, SpeechError
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.engines.language_pairs import (
    model_lacks_pair,
    no_model_for_pair,
    serves_pair,
)
from speech_service.text import bcp47

TARGETS = "target_languages"


class TranslationRoutes:
    """The translators that a request may use.

    ``chosen``: the model that the client named; empty: any may serve, ``default`` first.
    """

    def __init__(self, catalog: ModelCatalog, chosen: str, default: str) -> None:
        """Take the request's choice.

        Raises:
            ResourceNotFoundError: no translator has that name.
        """
        translators = [m for m in catalog.models if m.kind is ModelKind.TRANSLATOR]
        self._chosen = _chosen(chosen, translators)
        self._models = (
            [self._chosen]
            if self._chosen is not None
            else sorted(translators, key=lambda model: model.name != default)
        )

    @property
    def models(self) -> Sequence[ModelCapabilities]:
        """All that may be used, the preferred first."""
        return self._models

    def has(self, source: str, target: str) -> bool:
        """True where a model translates the pair."""
        return any(serves_pair(model, source, target) for model in self._models)

    def find(
        self, source: str, target: str, option: str = TARGETS, *, guessed: bool = False
    ) -> ModelCapabilities:
        """The model for a pair. An empty ``source`` is one that nobody could tell; ``guessed``: nobody named it.

        Raises:
            UnsupportedOptionError: the chosen model lacks the pair.
            PreconditionError: no model has it; says how to get one.
            InvalidOptionError: one may have it, but the source is not known.
        """
        for model in self._models:
            if serves_pair(model, source, target):
                return model
        if not source and any(_has_target(model, target) for model in self._models):
            raise InvalidOptionError(
                "source_language",
                "is not given, and the text does not tell",
                "a BCP-47 code",
                reason="SOURCE_LANGUAGE_UNKNOWN",
            )
        raise self._nobody(source, target, option, guessed=guessed)

    def into(self, target: str, option: str = TARGETS) -> Sequence[ModelCapabilities]:
        """The models that have ``target``, whatever the source.

        Raises:
            UnsupportedOptionError: the chosen model has no such target.
            PreconditionError: no model has it.
        """
        found = [model for model in self._models if _has_target(model, target)]
        if not found:
            raise self._nobody("", target, option)
        return found

    def _nobody(
        self, source: str, target: str, option: str, *, guessed: bool = False
    ) -> SpeechError:
        if self._chosen is not None:
            return model_lacks_pair(self._chosen, source, target, option, guessed=guessed)
        return no_model_for_pair(source, target, self._models, guessed=guessed)


def _chosen(name: str, translators: Sequence[ModelCapabilities]) -> ModelCapabilities | None:
    if not name:
        return None
    for model in translators:
        if model.name == name:
            return model
    known = ", ".join(model.name for model in translators) or "none"
    raise ResourceNotFoundError("model", name[:64], f"Known: {known}.")


def _has_target(model: ModelCapabilities, target: str) -> bool:
    return Capability.ANY_LANGUAGE_PAIR in model.capabilities or any(
        bcp47.serves(to, target) for _, to in model.language_pairs
    )
