"""Texts of any number and length through a translator: cut, batched, a few batches at once, put together again.

A text that fails does not cost the others theirs.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from speech_service.calls.requests.translation import TranslationRequest, ignored_warnings
from speech_service.calls.unary_work import WorkDesk
from speech_service.domain.errors import SpeechError, UnavailableError
from speech_service.domain.events import StreamWarning
from speech_service.domain.translation import LostTerm, Translation, TranslationRoute
from speech_service.text import bcp47
from speech_service.text.clean import has_words
from speech_service.text.sentences.cutter import SentenceSplitter

MAX_PIECE_CHARACTERS = 1_500
"""A longer text is cut at ends of sentences, so that other requests get their turns."""
MAX_BATCH_CHARACTERS = 3_000
MAX_BATCH_TEXTS = 32
MAX_OPEN_BATCHES = 4
"""Of one request: more would only fill the queue."""


@dataclass(frozen=True, slots=True)
class _TextPiece:
    text_index: int
    before: str
    core: str
    after: str


@dataclass(slots=True)
class TextsInTarget:
    """What became of the texts in one target. ``texts``: None where one failed, and ``errors`` says why."""

    texts: list[str | None]
    errors: dict[int, SpeechError] = field(default_factory=dict[int, SpeechError])
    warnings: list[StreamWarning] = field(default_factory=list[StreamWarning])


class TextBatches:
    """Translates texts of one source. ``slots`` bounds the open batches of the whole request."""

    def __init__(self, request: TranslationRequest, desk: WorkDesk) -> None:
        self._request = request
        self._desk = desk
        self._slots = asyncio.Semaphore(MAX_OPEN_BATCHES)

    async def run(self, texts: Sequence[str], source: str, target: str) -> TextsInTarget:
        """Translate each of ``texts``."""
        result = TextsInTarget([None] * len(texts))
        if not any(map(has_words, texts)):
            result.texts[:] = texts
            return result
        if already_there(self._request, source, target):
            result.texts[:] = texts
            problem = f"the text is in {target} already and stays as it is"
            result.warnings.append(StreamWarning("ALREADY_IN_TARGET", "", problem))
            return result
        try:
            route = self._request.route(source, target)
        except SpeechError as error:
            result.errors = dict.fromkeys(range(len(texts)), error)
            return result
        result.warnings += ignored_warnings(route)
        pieces = await asyncio.to_thread(_all_pieces, texts)
        wordy = [place for place, piece in enumerate(pieces) if has_words(piece.core)]
        batches = _batches(pieces, wordy)
        answers = await asyncio.gather(
            *(self._batch(route, pieces, batch, source, target) for batch in batches)
        )
        done: dict[int, str] = {}
        for batch, answer in zip(batches, answers, strict=True):  # whichever came first
            _take(pieces, batch, answer, target, done, result)
        for place in wordy:
            if place in done:
                pieces[place] = replace(pieces[place], core=done[place])
        whole: dict[int, list[str]] = {}
        for piece in pieces:
            whole.setdefault(piece.text_index, []).append(piece.before + piece.core + piece.after)
        for index, parts in whole.items():
            if index not in result.errors:
                result.texts[index] = "".join(parts)
        return result

    async def _batch(
        self,
        route: TranslationRoute,
        pieces: Sequence[_TextPiece],
        places: Sequence[int],
        source: str,
        target: str,
    ) -> Translation | SpeechError:
        async with self._slots:
            cores = [pieces[place].core for place in places]
            try:
                return await self._desk.translate(route, cores, source, target, route.context)
            except SpeechError as error:
                return error


def _take(
    pieces: Sequence[_TextPiece],
    places: Sequence[int],
    answer: Translation | SpeechError,
    target: str,
    done: dict[int, str],
    result: TextsInTarget,
) -> None:
    """Put a batch's answer where its texts are. Of a text that failed twice the first piece says why."""
    if isinstance(answer, SpeechError):
        for place in places:
            result.errors.setdefault(pieces[place].text_index, answer)
        return
    why = {failed.text_index: f"{failed.message} ({failed.reason})" for failed in answer.failed}
    for at, (place, text) in enumerate(zip(places, answer.texts, strict=True)):
        index = pieces[place].text_index
        if text.strip():
            done[place] = text
            lost = [term for term in answer.lost_terms if term.text_index == at]
            result.warnings += [lost_term(term, f"text {index}") for term in lost]
            if at in answer.changed:
                result.warnings.append(changed_warning(f"text {index}", target))
        else:
            error = untranslated(why.get(at, "the translator gave no usable answer"))
            result.errors.setdefault(index, error)


def already_there(request: TranslationRequest, source: str, target: str) -> bool:
    """True where a found source is the target, and nobody translates between its kinds."""
    return bool(source) and bcp47.serves(source, target) and not request.routes.has(source, target)


def lost_term(term: LostTerm, what: str) -> StreamWarning:
    """What a client is told of a glossary entry that a translation does not keep."""
    entry = f"glossary[{term.glossary_index}]"
    return StreamWarning("GLOSSARY_TERM_LOST", entry, what + ": {option} is not kept")


def changed_warning(what: str, target: str) -> StreamWarning:
    """What a client is told of a translation that does not keep everything that is the same in every language."""
    message = f"{what}: not every number, sign or placeholder is in the translation into {target}"
    return StreamWarning("CONTENT_CHANGED", "", message)


def untranslated(why: str) -> SpeechError:
    """The error of a text that has no translation."""
    return UnavailableError(why, reason="TRANSLATION_FAILED")


def failed_warning(what: str, target: str, error: SpeechError) -> StreamWarning:
    """What a client is told of something that has no translation."""
    message = f"{what} has no translation into {target}: {error.message} ({error.reason})"
    return StreamWarning("TRANSLATION_FAILED", "", message, cause=error)


def _all_pieces(texts: Sequence[str]) -> list[_TextPiece]:
    return [piece for index, text in enumerate(texts) for piece in _pieces(index, text)]


def _pieces(index: int, text: str) -> list[_TextPiece]:
    if len(text) <= MAX_PIECE_CHARACTERS:
        return [_piece(index, text)]
    splitter = SentenceSplitter(max_piece=MAX_PIECE_CHARACTERS)
    pieces: list[_TextPiece] = []
    held = ""
    for sentence in splitter.push(text) + splitter.flush():
        if held and len(held) + len(sentence.text) > MAX_PIECE_CHARACTERS:
            pieces.append(_piece(index, held))
            held = ""
        held += sentence.text
    return [*pieces, _piece(index, held)] if held else pieces


def _piece(index: int, text: str) -> _TextPiece:
    core = text.strip()
    at = text.find(core)
    return _TextPiece(index, text[:at], core, text[at + len(core) :])


def _batches(pieces: Sequence[_TextPiece], places: Sequence[int]) -> list[list[int]]:
    batches: list[list[int]] = []
    characters = 0
    for place in places:
        length = len(pieces[place].core)
        characters += length
        full = batches and len(batches[-1]) >= MAX_BATCH_TEXTS
        if not batches or full or characters > MAX_BATCH_CHARACTERS:
            batches.append([])
            characters = length
        batches[-1].append(place)
    return batches
