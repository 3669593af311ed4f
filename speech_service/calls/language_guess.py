"""Which language text is in, for every service: the loaded identifier, else what its script says."""

from collections.abc import Iterable, Sequence

from loguru import logger

from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.unary_work import WorkDesk
from speech_service.domain.errors import SpeechError
from speech_service.domain.models import ModelKind
from speech_service.domain.translation import LanguageGuess
from speech_service.text.script import guess_by_script

MAX_IDENTIFIED_CHARACTERS = 2_000
"""More of a text does not make the guess better."""
SURE = 0.5
"""A guess below it is no more than a hint."""

Guesses = tuple[LanguageGuess, ...]


def identifier_name(catalog: ModelCatalog, wanted: str) -> str:
    """The model that identifies text, ``wanted`` where it is there; empty where the server has none."""
    names = [m.name for m in catalog.models if m.kind is ModelKind.LANGUAGE_IDENTIFIER]
    return wanted if wanted in names else (names[0] if names else "")


async def identify(desk: WorkDesk, model: str, texts: Sequence[str]) -> list[Guesses]:
    """Guesses for each text, likeliest first; none where nothing tells. Never fails: script is the fallback, and all
    there is without a ``model``."""
    shortened = [text[:MAX_IDENTIFIED_CHARACTERS] for text in texts]
    if model:
        try:
            return list(await desk.identify(model, shortened))
        except SpeechError as error:
            if desk.is_closed:
                raise
            logger.warning("language identification failed ({}); judged by script", error.reason)
    return [guess_by_script(text) for text in shortened]


def overall(texts: Sequence[str], guesses: Iterable[Guesses]) -> Guesses:
    """The languages of all texts together, likeliest first, each text weighed by its length."""
    weights: dict[str, float] = {}
    total = 0
    for text, found in zip(texts, guesses, strict=True):
        length = min(len(text), MAX_IDENTIFIED_CHARACTERS)
        total += length if found else 0
        for guess in found:
            chance = guess.probability if guess.probability is not None else 1.0
            weights[guess.code] = weights.get(guess.code, 0.0) + chance * length
    ranked = sorted(weights.items(), key=lambda item: -item[1])
    return tuple(LanguageGuess(code, round(weight / total, 4)) for code, weight in ranked)
