"""An identifier that reads letters only: by script, and Latin is what the options say. No model, deterministic."""

from collections.abc import Sequence

from speech_service.config.tree import Amount, Settings
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.translation import LanguageGuess
from speech_service.engines.language_engine import identifier_engine
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine
from speech_service.text.script import guess_by_script, letter_count


class FakeLanguageOptions(Settings, frozen=True):
    """Options of ``language/fake``."""

    latin: str = "en"
    """What text in a script that does not tell is taken for."""
    probability: Amount = 0.9
    """Probability, 0 to 1, that it gives with its guess."""


def describe(options: FakeLanguageOptions) -> ModelCapabilities:
    """What the options make of it."""
    del options
    return ModelCapabilities(
        name="fake-identifier",
        kind=ModelKind.LANGUAGE_IDENTIFIER,
        capabilities=frozenset({Capability.LANGUAGE_IDENTIFICATION}),
        description="Reads letters only; for tests",
        max_batch=8,
    )


def build(options: FakeLanguageOptions, shared: SharedModels) -> Engine:
    """Make one lane's engine."""
    return identifier_engine(describe(options), load(options, shared))


def load(options: FakeLanguageOptions, shared: SharedModels) -> "FakeIdentifier":
    """Make the identifier alone."""
    del shared
    return FakeIdentifier(options)


class FakeIdentifier:
    """Identifies by script."""

    def __init__(self, options: FakeLanguageOptions) -> None:
        self._options = options

    def identify(self, texts: Sequence[str]) -> tuple[tuple[LanguageGuess, ...], ...]:
        """Guesses for each text, likeliest first; none for a text without letters."""
        return tuple(self._identify(text) for text in texts)

    def _identify(self, text: str) -> tuple[LanguageGuess, ...]:
        if not letter_count(text):
            return ()
        latin = LanguageGuess(self._options.latin, self._options.probability)
        return guess_by_script(text) or (latin,)
