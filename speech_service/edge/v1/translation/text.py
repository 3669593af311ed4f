"""TranslateText: texts, or a subtitle file, into every target."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from speech.v1 import translation_service_pb2
from speech_service.calls import language_guess as languages
from speech_service.calls.requests.translation import TranslationRequest, TranslationRequests
from speech_service.calls.session_tools import SessionTools
from speech_service.calls.translation_batches import TextBatches, TextsInTarget, failed_warning
from speech_service.calls.unary_work import WorkDesk
from speech_service.domain.call import Call
from speech_service.domain.errors import (
    InvalidFieldError,
    ReplyTooLargeError,
    SpeechError,
    too_many_characters,
)
from speech_service.domain.events import StreamWarning, TranslatedSegment, Usage
from speech_service.domain.transcript import ResultKind
from speech_service.domain.translation import LanguageGuess
from speech_service.edge.fields import limit_exceeded
from speech_service.edge.serving import Serving
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.translation import config as convert_translation
from speech_service.edge.v1.translation.config import (
    TEXT_FIELDS,
)
from speech_service.edge.v1.translation.subtitle_file import SubtitleTranslator, file_kind, words_of
from speech_service.text.clean import has_words
from speech_service.text.subtitles import file as subtitle_file

_REFUSED = (
    ("recognition", "TranslateSpeech or StreamingTranslate"),
    ("synthesis", "TranslateSpeech or StreamingTranslate"),
    ("subtitles", "TranslateSpeech"),
    ("partial_translations", "StreamingTranslate"),
    ("sentence_pause", "StreamingTranslate"),
    ("resume", "StreamingTranslate"),
)


class TextTranslation:
    """One TranslateText call."""

    def __init__(
        self,
        serving: Serving,
        requests: TranslationRequests,
        tools: SessionTools,
        identifier: str,
        call: Call,
    ) -> None:
        self._serving = serving
        self._limits = requests.limits
        self._requests = requests
        self._warnings: list[StreamWarning] = []
        self._tools = tools
        self._identifier = identifier
        self._call = call
        self._reply = translation_service_pb2.TranslateTextResponse()
        self._usage = Usage()

    async def run(
        self, message: translation_service_pb2.TranslateTextRequest
    ) -> translation_service_pb2.TranslateTextResponse:
        """Translate what the message holds."""
        if not message.HasField("config"):
            raise InvalidFieldError("config", "is missing", "a TranslationConfig")
        request = self._requests.check(
            convert_translation.wanted(message.config, self._call, _REFUSED)
        )
        self._warnings += request.warnings
        desk = WorkDesk(self._tools, self._call)
        try:
            match message.WhichOneof("content"):
                case "text":
                    await self._texts(request, desk, [message.text], ["text"])
                case "texts":
                    if len(message.texts.texts) > self._limits.max_texts:
                        limit = self._limits.max_texts
                        raise limit_exceeded("texts.texts", "max_texts", limit)
                    paths = [f"texts.texts[{i}]" for i in range(len(message.texts.texts))]
                    await self._texts(request, desk, list(message.texts.texts), paths)
                case "subtitles":
                    await self._subtitles(request, desk, message.subtitles)
                case _:
                    allowed = "text, texts, subtitles"
                    raise InvalidFieldError("content", "is not set", allowed)
        finally:
            desk.close()
            self._call.finished(
                self._usage, desk.latency
            )  # what failed or was cancelled was used, too
        return self._finish(request, desk)

    def _use(self, characters: int) -> None:
        """The caller pays before anything is asked of a model, and is charged whatever becomes of it."""
        usage = Usage(characters_in=characters)
        self._call.meter.reserve(usage)
        self._usage = usage

    # --- texts ---

    async def _texts(
        self, request: TranslationRequest, desk: WorkDesk, texts: list[str], paths: Sequence[str]
    ) -> None:
        self._check_texts(texts, paths)
        self._use(sum(map(len, texts)))
        sources = [request.source] * len(texts)
        if not request.source:
            worded = [index for index, text in enumerate(texts) if has_words(text)]
            sources = await self._identify(desk, texts, worded)
        batches = TextBatches(request, desk)
        groups = [
            (source, [i for i, s in enumerate(sources) if s == source], target)
            for source in dict.fromkeys(sources)
            for target in request.targets
        ]
        results = await asyncio.gather(
            *(batches.run([texts[i] for i in members], s, to) for s, members, to in groups)
        )
        translated: dict[tuple[int, str], str] = {}
        errors: dict[tuple[int, str], SpeechError] = {}
        for (_, members, target), result in zip(groups, results, strict=True):
            self._gather(members, target, result, translated, errors)
        if not translated:
            raise next(iter(errors.values()))
        for (index, target), error in sorted(errors.items(), key=lambda item: item[0]):
            self._warnings.append(failed_warning(paths[index], target, error))
        self._usage = replace(self._usage, characters_out=sum(map(len, translated.values())))
        for index, source in enumerate(sources):
            for target in request.targets:
                if (index, target) in translated:
                    segment = TranslatedSegment(
                        index, target, ResultKind.FINAL, translated[index, target], source
                    )
                    self._reply.translations.append(convert_translation.translation(segment))

    async def _identify(
        self, desk: WorkDesk, texts: Sequence[str], worded: Sequence[int]
    ) -> list[str]:
        """The language of each text; "" for those without words, which stay as they are."""
        sources = [""] * len(texts)
        if not worded:
            return sources
        asked = [texts[index] for index in worded]
        found = await languages.identify(desk, self._identifier, asked)
        prevailing = languages.overall(asked, found)
        self._reply.languages.extend(map(convert_translation.guess, prevailing))
        for index, guesses in zip(worded, found, strict=True):
            sources[index] = _source(guesses, prevailing)
        return sources

    def _gather(
        self,
        members: Sequence[int],
        target: str,
        result: TextsInTarget,
        translated: dict[tuple[int, str], str],
        errors: dict[tuple[int, str], SpeechError],
    ) -> None:
        for at, index in enumerate(members):
            text = result.texts[at]
            if text is not None:
                translated[index, target] = text
            else:
                errors[index, target] = result.errors[at]
        self._warnings += [w for w in result.warnings if w not in self._warnings]

    def _check_texts(self, texts: Sequence[str], paths: Sequence[str]) -> None:
        if not texts:
            raise InvalidFieldError("texts.texts", "is empty", "at least one text")
        total = 0
        for text, path in zip(texts, paths, strict=True):
            check_text(text, path)
            total += len(text)
            if total > self._limits.max_text_characters:
                limit = self._limits.max_text_characters
                characters = sum(map(len, texts))
                problem = too_many_characters(characters, "translation.max_text_characters")
                raise limit_exceeded(path.partition("[")[0], "max_text_characters", limit, problem)

    # --- subtitles ---

    async def _subtitles(
        self,
        request: TranslationRequest,
        desk: WorkDesk,
        document: translation_service_pb2.SubtitleDocument,
    ) -> None:
        kind = file_kind(document.format)
        limit = self._limits.max_subtitle_characters
        if len(document.text) > limit:
            problem = too_many_characters(len(document.text), "translation.max_subtitle_characters")
            raise limit_exceeded("subtitles.text", "max_subtitle_characters", limit, problem)
        if "\0" in document.text:
            raise InvalidFieldError("subtitles.text", "holds NUL", "text", reason="INVALID_TEXT")
        file = await asyncio.to_thread(
            subtitle_file.parse,
            document.text,
            kind,
            "subtitles.text",
            self._limits.max_cues,
            limit,
        )
        self._use(len(document.text))
        source = request.source
        words = words_of(file, languages.MAX_IDENTIFIED_CHARACTERS)
        if not source and has_words(words):
            found = (await languages.identify(desk, self._identifier, [words]))[0]
            self._reply.languages.extend(map(convert_translation.guess, found))
            source = _source(found, found)
        translator = SubtitleTranslator(request, desk)
        errors: list[SpeechError] = []
        characters_out = 0
        for target in request.targets:
            try:
                result, warnings = await translator.run(file, source, target)
            except SpeechError as error:
                errors.append(error)
                self._warnings.append(failed_warning("the file", target, error))
                continue
            self._warnings += [w for w in warnings if w not in self._warnings]
            characters_out += len(result.text)
            translated = self._reply.subtitles.add(language=target)
            translated.subtitles.format = document.format
            translated.subtitles.text = result.text
            translated.subtitles.cue_count = result.cue_count
        if not self._reply.subtitles:
            raise errors[0]
        self._usage = replace(self._usage, characters_out=characters_out)

    # --- the reply ---

    def _finish(
        self, request: TranslationRequest, desk: WorkDesk
    ) -> translation_service_pb2.TranslateTextResponse:
        reply = self._reply
        reply.usage.CopyFrom(convert.usage(self._usage))
        reply.latency.CopyFrom(convert.latency(desk.latency))
        reply.model = self._call.model = request.model
        reply.warnings.extend(convert.warning(w, TEXT_FIELDS) for w in self._warnings)
        check_reply(reply.ByteSize(), self._serving.server.max_unary_reply_bytes)
        return reply


def check_text(text: str, path: str) -> None:
    """Refuse what nobody can translate.

    Raises:
        InvalidFieldError: it is blank, or holds NUL.
    """
    if not text.strip():
        raise InvalidFieldError(path, "is blank", "text")
    if "\0" in text:
        raise InvalidFieldError(path, "holds NUL", "text", reason="INVALID_TEXT")


def check_reply(size: int, limit: int) -> None:
    """Refuse a reply that stock clients would not take.

    Raises:
        ReplyTooLargeError: it is above ``limit``.
    """
    if size > limit:
        raise ReplyTooLargeError(
            f"the reply would exceed {limit} bytes; send less at once, or use StreamingTranslate",
            metadata={"max_unary_reply_bytes": str(limit), "use": "StreamingTranslate"},
        )


def _source(guesses: Sequence[LanguageGuess], prevailing: Sequence[LanguageGuess]) -> str:
    """The language of a text; where its own letters tell little, that of all texts."""
    sure = [g.code for g in guesses[:1] if (g.probability or 1.0) >= languages.SURE]
    return next(iter([*sure, *(g.code for g in [*prevailing, *guesses])]), "")
