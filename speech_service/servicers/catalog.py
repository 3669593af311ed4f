"""The models that this server knows, and what each can do. Known before any of them is loaded."""

from collections.abc import Sequence

from speech_service.domain.errors import ResourceNotFoundError
from speech_service.domain.models import ModelCapabilities, ModelKind

MAX_SHOWN_CHARACTERS = 64


class ModelCatalog:
    """Models by name; the first of a kind is its default unless ``defaults`` names another."""

    def __init__(self, models: Sequence[ModelCapabilities], default_recognizer: str = "") -> None:
        self._models = {model.name: model for model in models}
        self._defaults: dict[ModelKind, str] = {}
        for model in models:
            self._defaults.setdefault(model.kind, model.name)
        if default_recognizer:
            self.find(default_recognizer, ModelKind.RECOGNIZER)
            self._defaults[ModelKind.RECOGNIZER] = default_recognizer

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


def _not_found(name: str, known: Sequence[str]) -> ResourceNotFoundError:
    """An error travels in trailing metadata, which has room for 8 KiB: a client's name is cut."""
    return ResourceNotFoundError(
        "model", name[:MAX_SHOWN_CHARACTERS], f"Known: {', '.join(known) or 'none'}."
    )
