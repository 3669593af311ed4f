"""The models that this server knows, and what each can do. Known before any of them is loaded."""

from collections.abc import Sequence
from dataclasses import replace

from speech_service.domain.errors import ResourceNotFoundError
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.text import bcp47

MAX_SHOWN_CHARACTERS = 64
_ALWAYS = {ModelKind.RECOGNIZER: frozenset({Capability.SUBTITLES_FAST})}
_WITH_ALIGNER = {
    ModelKind.RECOGNIZER: frozenset({Capability.WORD_TIMES, Capability.SUBTITLES_ACCURATE}),
    ModelKind.SYNTHESIZER: frozenset({Capability.WORD_TIMINGS}),
}


class ModelCatalog:
    """Models by name; the first of a kind is its default unless another one is named.

    Models gain what the service adds to each of them. Recognizers: subtitles, and with an aligner for their language
    word times. Synthesizers: with an aligner for their language word timings.
    """

    def __init__(
        self,
        models: Sequence[ModelCapabilities],
        default_recognizer: str = "",
        default_aligner: str = "",
        default_synthesizer: str = "",
    ) -> None:
        """Index the models.

        Raises:
            ResourceNotFoundError: a default is no model of its kind.
        """
        self._models = {model.name: model for model in models}
        self._defaults: dict[ModelKind, str] = {}
        for model in models:
            self._defaults.setdefault(model.kind, model.name)
        for kind, name in (
            (ModelKind.RECOGNIZER, default_recognizer),
            (ModelKind.ALIGNER, default_aligner),
            (ModelKind.SYNTHESIZER, default_synthesizer),
        ):
            if name:
                self._defaults[kind] = self.find(name, kind).name
        self._as_declared = dict(self._models)
        self._models = {m.name: self._with_additions(m) for m in models}

    @property
    def models(self) -> Sequence[ModelCapabilities]:
        """All of them, in the order of the configuration."""
        return tuple(self._models.values())

    def is_default(self, model: ModelCapabilities) -> bool:
        """True of the model that serves requests which name none."""
        return self._defaults.get(model.kind) == model.name

    def get(self, name: str) -> ModelCapabilities:
        """The model of that name.

        Raises:
            ResourceNotFoundError: there is none.
        """
        model = self._models.get(name)
        if model is None:
            raise _not_found(name, list(self._models))
        return model

    def find(self, name: str, kind: ModelKind) -> ModelCapabilities:
        """The model of that name and kind; an empty name means the default.

        Raises:
            ResourceNotFoundError: there is none.
        """
        known = [m.name for m in self._models.values() if m.kind is kind]
        name = name or self._defaults.get(kind, "")
        model = self._models.get(name)
        if model is None or model.kind is not kind:
            raise _not_found(name, known)
        return model

    def aligner_for(self, language: str) -> ModelCapabilities | None:
        """The aligner of that language: the default one where it serves it, else the first that does.

        An empty language is one that nobody knows: any aligner will do.
        """
        aligners = [m for m in self._models.values() if m.kind is ModelKind.ALIGNER]
        aligners.sort(key=lambda model: not self.is_default(model))
        for model in aligners:
            if not language or bcp47.best_match(language, model.languages) is not None:
                return model
        return None

    def says_when(self, model: ModelCapabilities) -> bool:
        """Whether a synthesizer knows by itself when it says which word."""
        return Capability.WORD_TIMINGS in self._as_declared[model.name].capabilities

    def _with_additions(self, model: ModelCapabilities) -> ModelCapabilities:
        added = set(_ALWAYS.get(model.kind, ()))
        if any(self.aligner_for(language) is not None for language in model.languages):
            added |= _WITH_ALIGNER.get(model.kind, frozenset())
        if added <= model.capabilities:
            return model
        return replace(model, capabilities=model.capabilities | added)


def _not_found(name: str, known: Sequence[str]) -> ResourceNotFoundError:
    """An error travels in trailing metadata, which has room for 8 KiB: a client's name is cut."""
    return ResourceNotFoundError(
        "model", name[:MAX_SHOWN_CHARACTERS], f"Known: {', '.join(known) or 'none'}."
    )
