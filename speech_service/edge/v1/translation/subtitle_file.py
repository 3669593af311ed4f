"""A subtitle file into one language: only its words reach the translator."""

import asyncio
from collections import Counter

from speech.v1 import common_pb2
from speech_service.calls.requests.translation import TranslationRequest, ignored_warnings
from speech_service.calls.translation_batches import MAX_OPEN_BATCHES, already_there
from speech_service.calls.unary_work import WorkDesk
from speech_service.domain.errors import InvalidFieldError, SpeechError
from speech_service.domain.events import StreamWarning
from speech_service.domain.translation import TranslationRoute
from speech_service.edge.v1 import common as convert
from speech_service.text.subtitles.file import SubtitleFile, SubtitleFormat
from speech_service.text.subtitles.translate import (
    Batch,
    ProblemKind,
    SubtitleTranslation,
    TranslatedFile,
)

_FORMATS = {
    common_pb2.SUBTITLE_FORMAT_SRT: SubtitleFormat.SRT,
    common_pb2.SUBTITLE_FORMAT_VTT: SubtitleFormat.WEBVTT,
}
_MAX_LISTED_CUES = 20
_REASONS = {
    ProblemKind.NOT_TRANSLATED: ("CUES_NOT_TRANSLATED", "keep their words"),
    ProblemKind.TAGS_DROPPED: ("CUE_TAGS_DROPPED", "lost the tags inside their lines"),
    ProblemKind.CONTENT_CHANGED: (
        "CONTENT_CHANGED",
        "do not keep every number, sign or placeholder",
    ),
}


def file_kind(value: int) -> SubtitleFormat:
    """The format of a file, which is ``subtitles.format``.

    Raises:
        InvalidFieldError: not set or unknown.
    """
    kind = next((kind for wire, kind in _FORMATS.items() if wire == value), None)
    if kind is None:
        allowed = convert.names(common_pb2.SubtitleFormat.keys(), "SUBTITLE_FORMAT_")
        raise InvalidFieldError("subtitles.format", "is not set or unknown", allowed)
    return kind


def words_of(file: SubtitleFile, limit: int) -> str:
    """The first words of a file, for identification."""
    lines: list[str] = []
    length = 0
    for block in file.blocks:
        lines += block.lines
        length += sum(map(len, block.lines))
        if length >= limit:
            break
    return "\n".join(lines)


class SubtitleTranslator:
    """Translates one file into targets one after the other."""

    def __init__(self, request: TranslationRequest, desk: WorkDesk) -> None:
        self._request = request
        self._desk = desk

    async def run(
        self, file: SubtitleFile, source: str, target: str
    ) -> tuple[TranslatedFile, list[StreamWarning]]:
        """Translate ``file``: as many cues, the same times.

        Raises:
            SpeechError: the translator could not do any of it.
        """
        if already_there(self._request, source, target):
            same = TranslatedFile(file.render({}), file.cue_count, 0, ())
            problem = f"the file is in {target} already and stays as it is"
            return same, [StreamWarning("ALREADY_IN_TARGET", "", problem)]
        translation = await asyncio.to_thread(SubtitleTranslation, file)
        if translation.is_done:  # it has no words
            return translation.result(), []
        route = self._request.route(source, target)
        await self._all(translation, route, source, target)
        result = await asyncio.to_thread(translation.result)
        if result.translated_count == 0 and translation.error is not None:
            raise translation.error
        told = _warnings(result, target, translation.error)
        return result, [*ignored_warnings(route), *told]

    async def _all(
        self, translation: SubtitleTranslation, route: TranslationRoute, source: str, target: str
    ) -> None:
        open_tasks: set[asyncio.Task[None]] = set()
        try:
            while not translation.is_done or open_tasks:
                while len(open_tasks) < MAX_OPEN_BATCHES:
                    batch = translation.next_batch()
                    if batch is None:
                        break
                    open_tasks.add(
                        asyncio.create_task(self._batch(translation, route, batch, source, target))
                    )
                if not open_tasks:
                    break
                done, open_tasks = await asyncio.wait(
                    open_tasks, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
        finally:
            for task in open_tasks:
                task.cancel()
            if open_tasks:
                await asyncio.wait(open_tasks)

    async def _batch(
        self,
        translation: SubtitleTranslation,
        route: TranslationRoute,
        batch: Batch,
        source: str,
        target: str,
    ) -> None:
        around = "\n".join(part for part in (route.context, batch.context) if part)
        texts = list(batch.texts.values())
        try:
            answer = await self._desk.translate(
                route, texts, source, target, around if route.context else ""
            )
        except SpeechError as error:
            if self._desk.is_closed:
                raise
            translation.fail(batch.batch_id, error)
            return
        translation.answer(batch.batch_id, [text or None for text in answer.texts], answer.changed)


def _warnings(
    result: TranslatedFile, target: str, error: SpeechError | None
) -> list[StreamWarning]:
    warnings: list[StreamWarning] = []
    counts = Counter(problem.kind for problem in result.problems)
    for kind, count in counts.items():
        reason, what = _REASONS[kind]
        cues = [str(p.cue + 1) for p in result.problems if p.kind is kind][:_MAX_LISTED_CUES]
        listed = ", ".join(cues) + (", ..." if count > _MAX_LISTED_CUES else "")
        why = f": {error.message}" if error and kind is ProblemKind.NOT_TRANSLATED else ""
        message = f"{count} cues {what} in {target} (the file's cues {listed}){why}"
        warnings.append(StreamWarning(reason, "", message, cause=error if why else None))
    return warnings
