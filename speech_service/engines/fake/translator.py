"""A translator that marks words: "Hello world" into pt is "Hello·pt world·pt". No model, no package, reversible.

It is a real backend: tests drive the whole service with it, and benchmarks use it to measure everything but the model.
It steps, keeps terms, fails and aborts as the others do.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from speech_service.config.tree import Amount, Count, Settings
from speech_service.domain.errors import InternalError, SpeechError, UnavailableError
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.translation import GlossaryEntry
from speech_service.domain.work import TranslateWork, Work, WorkEvent, WorkFailed
from speech_service.engines.shared import SharedModels
from speech_service.engines.translation_job import (
    TranslatedTexts,
    check_text,
    finished,
)
from speech_service.text import signs
from speech_service.text.placeholders import fragments, protected, terms_for

_MARK = "·"
_RUBBISH = (
    "",
    "\n\n",
    "7\n00:00:01,000 --> 00:00:02,000\nx",
    "12",
    "WEBVTT\n\n00:01.000 --> 00:02.000\nx",
    "a\n\n\n8\n\nb",
    "```json\n[1, 2]\n```",
    "la " * 2000,
    "<i>x",
)
_WORD = re.compile(r"\w+")


class FakeTranslatorOptions(Settings, frozen=True):
    """Options of ``translator/fake``."""

    step_ms: Amount = 0.0
    """How long one step takes (it sleeps). One text takes one step."""
    fail_every: Count = 0
    """Every n-th piece of work fails as a whole; 0: none does."""
    fail_word: str = ""
    """A text that has it cannot be translated; empty: all can."""
    rubbish_every: Count = 0
    """Every n-th text is answered with what no translation is: nothing, another text, or the structure of a file."""
    max_batch: Count = 8
    """Pieces of work that are computed together."""


def describe(options: FakeTranslatorOptions) -> ModelCapabilities:
    """What the options make of it."""
    return ModelCapabilities(
        name="fake-translator",
        kind=ModelKind.TRANSLATOR,
        capabilities=frozenset(
            {
                Capability.ANY_LANGUAGE_PAIR,
                Capability.CONTEXT_TEXT,
                Capability.DO_NOT_TRANSLATE,
                Capability.GLOSSARY,
            }
        ),
        description="Marks every word with the target; for tests and for measuring all but a model",
        max_batch=options.max_batch,
    )


def build(options: FakeTranslatorOptions, shared: SharedModels) -> "FakeTranslator":
    """Make one lane's engine."""
    del shared
    return FakeTranslator(options)


def original(translation: str, target: str) -> str:
    """The text that the fake translated."""
    return translation.replace(f"{_MARK}{target}", "")


@dataclass(slots=True)
class _FakeTranslation:
    work: TranslateWork
    fails: bool
    texts: list[str]
    errors: dict[int, SpeechError]


class FakeTranslator:
    """Implements ``protocols.Engine``. Translates one text of every item in each step."""

    def __init__(self, options: FakeTranslatorOptions) -> None:
        self._options = options
        self._admitted = 0
        self._answered = 0
        self._items: dict[str, _FakeTranslation] = {}

    @property
    def capabilities(self) -> ModelCapabilities:
        """What it claims to do."""
        return describe(self._options)

    def admit(self, work: Work) -> None:
        """Take work in."""
        assert isinstance(work, TranslateWork), "only translation is sent to a translator"
        self._admitted += 1
        every = self._options.fail_every
        self._items[work.work_id] = _FakeTranslation(
            work, every > 0 and self._admitted % every == 0, [], {}
        )

    def step(self) -> Sequence[WorkEvent]:
        """Translate the next text of every item."""
        if self._options.step_ms and self._items:
            time.sleep(self._options.step_ms / 1000)
        ends: list[WorkEvent] = []
        for item in list(self._items.values()):
            self._advance(item)
            if item.fails or len(item.texts) == len(item.work.texts):
                del self._items[item.work.work_id]
                ends.append(self._end(item))
        return ends

    def abort(self, work_id: str) -> None:
        """Forget the item."""
        self._items.pop(work_id, None)

    def _advance(self, item: _FakeTranslation) -> None:
        index = len(item.texts)
        if item.fails or index == len(item.work.texts):
            return
        text = item.work.texts[index]
        error = check_text(text, index) or self._refusal(text)
        if error is not None:
            item.errors[index] = error
        item.texts.append("" if error else self._answer(text, item.work))

    def _answer(self, text: str, work: TranslateWork) -> str:
        every = self._options.rubbish_every
        self._answered += 1
        if every and self._answered % every == 0:
            return _RUBBISH[self._answered // every % len(_RUBBISH)]
        return translate(text, work.target_language, work.glossary)

    def _refusal(self, text: str) -> SpeechError | None:
        word = self._options.fail_word
        if not word or word not in text:
            return None
        return UnavailableError("the fake translator was told to fail this text")

    def _end(self, item: _FakeTranslation) -> WorkEvent:
        work = item.work
        if item.fails:
            return WorkFailed(work.work_id, InternalError("the fake translator was told to fail"))
        result = TranslatedTexts(tuple(item.texts), item.errors)
        return finished(work, result, steps=len(work.texts))


def translate(text: str, target: str, glossary: Sequence[GlossaryEntry] = ()) -> str:
    """Every word that is no term of the glossary, marked with the target."""
    spans = protected(text, terms_for(glossary, target), signs.tells(text))
    return "".join(
        _WORD.sub(lambda word: _marked(word.group(), target), between) + kept
        for between, kept in fragments(text, spans)
    )


def _marked(word: str, target: str) -> str:
    """The word with the target's mark; numbers stay as they are."""
    has_letter = any(char.isalnum() and not char.isdecimal() for char in word)
    return f"{word}{_MARK}{target}" if has_letter else word
