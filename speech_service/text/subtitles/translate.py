"""Translates a subtitle file through any translator, with as many cues and the same time lines, whatever it answers.

No I/O: it hands out batches of numbered texts and takes answers. Numbers, times and the rest of the file never leave it
(``subtitle_file.py``), nor do tags around the words (``cue_text.py``). An answer is matched by number; what it lacks is
asked for again in smaller batches, at last text by text. A cue that still has no translation keeps its words, all of
them, and is reported.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from speech_service.domain.errors import SpeechError
from speech_service.text.llm_answers import plausible
from speech_service.text.subtitles.cue_text import CueUnit, dress, keeps_tags, undress
from speech_service.text.subtitles.file import SubtitleFile


@dataclass(frozen=True, slots=True)
class BatchRules:
    """How much is asked at once, and when it is enough."""

    batch_texts: int = 20
    batch_chars: int = 2000
    context_texts: int = 3
    """Texts before a batch that go along as context."""
    single_attempts: int = 2
    """How often one text is asked for alone."""
    max_useless_answers: int = 40
    """Answers in a row without a usable text after which the rest of the file keeps its words."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts to translate together. ``texts`` go by number; numbers are those of this file and never change."""

    batch_id: int
    texts: Mapping[int, str]
    context: str


class ProblemKind(Enum):
    """What is not as it should be with a cue."""

    NOT_TRANSLATED = "not_translated"
    TAGS_DROPPED = "tags_dropped"
    CONTENT_CHANGED = "content_changed"


@dataclass(frozen=True, slots=True)
class CueProblem:
    """A cue, counted from 0, that keeps its words, or lost tags, numbers or signs inside them."""

    cue: int
    kind: ProblemKind


@dataclass(frozen=True, slots=True)
class TranslatedFile:
    """The file in the other language."""

    text: str
    cue_count: int
    translated_count: int
    """Cues whose words were translated; those without words count neither way."""
    problems: tuple[CueProblem, ...]


class SubtitleTranslation:
    """One file on its way into one language.

    ``next_batch`` until it gives None; each batch is ended by one ``answer`` or ``fail``, in any order, several at
    once. ``result`` once ``is_done``.
    """

    def __init__(self, file: SubtitleFile, rules: BatchRules = BatchRules()) -> None:
        self._file = file
        self._rules = rules
        self._units: dict[int, CueUnit] = {}
        self._places: dict[int, list[int]] = {}
        """Numbers of the units of each block."""
        for place, block in enumerate(file.blocks):
            for unit in undress(block.lines, file.kind):
                number = len(self._units) + 1
                self._units[number] = unit
                self._places.setdefault(place, []).append(number)
        self._translations: dict[int, str] = {}
        self._changed: set[int] = set()
        """Units whose translation lacks a number, a sign or a placeholder."""
        self._attempts: dict[int, int] = {}
        self._waiting: deque[list[int]] = deque(self._first_batches())
        self._asked: dict[int, Batch] = {}
        self._next_id = 0
        self._useless = 0
        self._is_stopped = False
        self.error: SpeechError | None = None
        """Error of the first batch that failed, in the order of the batches of the file."""
        self._error_batch = 0
        """The last failure that ``fail`` was told of."""

    @property
    def is_done(self) -> bool:
        """True when nothing is left to ask for or to wait for."""
        return not self._waiting and not self._asked

    def next_batch(self) -> Batch | None:
        """Give the next texts to translate; None: none now (answers may bring more, see ``is_done``)."""
        if not self._waiting:
            return None
        numbers = self._waiting.popleft()
        self._next_id += 1
        texts = {number: self._units[number].words for number in numbers}
        batch = Batch(self._next_id, texts, self._context(numbers[0]))
        self._asked[batch.batch_id] = batch
        return batch

    def answer(
        self,
        batch_id: int,
        answer: Mapping[int, str] | Sequence[str | None],
        changed: Collection[int] = (),
    ) -> None:
        """Take the translations of a batch.

        Args:
            batch_id: of the batch; one that is not waited for is ignored.
            answer: texts by number; or in order, in which case it must have as many as the batch, None where there is
                no translation.
            changed: texts, counted from 0, whose translation lacks a number, a sign or a placeholder.
        """
        batch = self._asked.pop(batch_id, None)
        if batch is None:
            return
        numbers = list(batch.texts)
        if not isinstance(answer, Mapping):
            found = dict(zip(numbers, answer, strict=True)) if len(answer) == len(numbers) else {}
        else:
            found = {number: answer.get(number) for number in numbers}
        self._changed.difference_update(numbers)
        self._changed.update(number for at, number in enumerate(numbers) if at in changed)
        missing = [number for number in numbers if not self._take(number, found.get(number))]
        if len(missing) < len(numbers):
            self._useless = 0
            if missing and not self._is_stopped:
                self._waiting.appendleft(missing)
        else:
            self._ask_again(numbers)

    def fail(self, batch_id: int, error: SpeechError) -> None:
        """Take note that the batch could not be translated: it counts as an answer without a usable text."""
        batch = self._asked.pop(batch_id, None)
        if batch is not None:
            if self.error is None or batch_id < self._error_batch:
                self.error, self._error_batch = error, batch_id
            self._ask_again(list(batch.texts))

    def stop(self) -> None:
        """Ask for nothing more: the cues that are left keep their words."""
        self._is_stopped = True
        self._waiting.clear()

    def result(self) -> TranslatedFile:
        """Give the file with all translations there are."""
        words: dict[int, Sequence[str]] = {}
        untranslated: set[int] = set()
        dropped: set[int] = set()
        changed: set[int] = set()
        worded: set[int] = set()
        for place, numbers in self._places.items():
            cue = self._file.blocks[place].cue
            needed = [number for number in numbers if self._units[number].has_words]
            worded |= {cue} if needed else set()
            if any(number not in self._translations for number in needed):
                untranslated.add(cue)
            with_tags = all(
                keeps_tags(self._units[number], self._translations[number])
                for number in needed
                if number in self._translations
            )
            dropped |= set() if with_tags else {cue}
            changed |= {cue} if self._changed.intersection(numbers) else set()
            words[place] = [line for n in numbers for line in self._dressed(n, with_tags)]
        for place in self._places:  # a cue is translated as a whole or not at all
            if self._file.blocks[place].cue in untranslated or not self._is_asked(place):
                del words[place]
        problems = [CueProblem(cue, ProblemKind.NOT_TRANSLATED) for cue in untranslated]
        problems += [CueProblem(cue, ProblemKind.TAGS_DROPPED) for cue in dropped - untranslated]
        problems += [CueProblem(cue, ProblemKind.CONTENT_CHANGED) for cue in changed - untranslated]
        return TranslatedFile(
            self._file.render(words),
            self._file.cue_count,
            len(worded - untranslated),
            tuple(sorted(problems, key=lambda problem: problem.cue)),
        )

    def _is_asked(self, place: int) -> bool:
        return any(self._units[number].has_words for number in self._places[place])

    def _dressed(self, number: int, with_tags: bool) -> list[str]:
        unit = self._units[number]
        words = self._translations.get(number, unit.words)
        return dress(unit, words, self._file.kind, with_tags)

    def _first_batches(self) -> list[list[int]]:
        batches: list[list[int]] = []
        chars = 0
        for number, unit in self._units.items():
            if not unit.has_words:
                continue
            chars += len(unit.words)
            full = batches and len(batches[-1]) >= self._rules.batch_texts
            if not batches or full or chars > self._rules.batch_chars:
                batches.append([])
                chars = len(unit.words)
            batches[-1].append(number)
        return batches

    def _context(self, first: int) -> str:
        before = range(max(1, first - self._rules.context_texts), first)
        return "\n".join(self._units[number].words for number in before)

    def _take(self, number: int, text: str | None) -> bool:
        if text is None or not plausible(self._units[number].words, text, may_echo=True):
            return False
        self._translations[number] = text
        return True

    def _ask_again(self, numbers: list[int]) -> None:
        self._useless += 1
        if self._useless >= self._rules.max_useless_answers:
            self.stop()
        if self._is_stopped:
            return
        if len(numbers) > 1:
            half = len(numbers) // 2
            self._waiting.extendleft((numbers[half:], numbers[:half]))
            return
        number = numbers[0]
        self._attempts[number] = self._attempts.get(number, 0) + 1
        if self._attempts[number] < self._rules.single_attempts:
            self._waiting.append(numbers)
