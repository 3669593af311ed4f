"""What the identifiers share: the protocol that they satisfy, and the engine around one."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from speech_service.domain.models import ModelCapabilities
from speech_service.domain.translation import LanguageGuess
from speech_service.domain.work import IdentifyWork, LanguagesFound, Work
from speech_service.engines.stepping import SteppingEngine
from speech_service.protocols import Engine


class LanguageIdentifier(Protocol):
    """Says which language texts are in."""

    def identify(self, texts: Sequence[str]) -> tuple[tuple[LanguageGuess, ...], ...]:
        """Guesses for each text, likeliest first; none for a text without letters."""
        ...


def identifier_engine(capabilities: ModelCapabilities, identifier: LanguageIdentifier) -> Engine:
    """An engine that identifies all texts of an item in one step: each takes less than 0.1 ms."""

    def run(work: Work) -> Iterator[LanguagesFound]:
        assert isinstance(work, IdentifyWork), "only identification is sent to an identifier"
        yield LanguagesFound(identifier.identify(work.texts))

    return SteppingEngine(capabilities, run)
