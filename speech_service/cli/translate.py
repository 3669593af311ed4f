"""``speech-service translate TEXT|--file FILE|--audio FILE --to CODE``: text, subtitle files and speech.

JSON Lines of ``--json``, keys never renamed: ``translation`` (segment_id, source_language, language, text), with audio
also ``source`` (segment_id, text, start_ms, end_ms); for subtitles ``subtitles`` (language, text); one ``summary``
(model).
"""

import argparse
import asyncio
import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from speech_client import (
    Latency,
    RecognitionResult,
    RecognizeOptions,
    ServiceWarning,
    SessionEnded,
    SpeechClient,
    SpeechTranslation,
    StreamTranslateOptions,
    TextTranslation,
    TranslateOptions,
    TranslateSpeechOptions,
    Translation,
    Usage,
)
from speech_client.options import SubtitleFormat
from speech_service.cli.arguments import add_connection, connect
from speech_service.cli.failure import CommandError, ExitCode
from speech_service.cli.progress import ProgressScreen
from speech_service.cli.recognize import is_large
from speech_service.cli.texts import note, read_argument, read_file, write_file

_SUBTITLE_SUFFIXES: dict[str, SubtitleFormat] = {".srt": "srt", ".vtt": "vtt"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = (
        "A .srt or .vtt file keeps its times and numbers; only its words are translated."
    )
    parser.add_argument(
        "text", nargs="?", metavar="TEXT", help="the text; @FILE reads a file, - stdin"
    )
    parser.add_argument("--file", type=Path, metavar="FILE", help="subtitles (.srt, .vtt) or text")
    parser.add_argument("--audio", type=Path, metavar="FILE", help="speech to translate")
    parser.add_argument("--to", required=True, metavar="CODE", help="target language, such as pt")
    parser.add_argument("--from", dest="source", default="", metavar="CODE", help="source language")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: stdout")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON Lines instead of text")
    form.add_argument("--srt", action="store_true", help="--audio gives SRT subtitles")
    form.add_argument("--vtt", action="store_true", help="--audio gives WebVTT subtitles")
    group = parser.add_argument_group("translation")
    group.add_argument("--model", default="", help="name as in `models`; default: the pair's")
    group.add_argument(
        "--term",
        action="append",
        default=[],
        type=_term,
        metavar="TERM=TRANSLATION",
        help="set translation; TERM alone stays as it is; may be repeated",
    )
    group.add_argument("--context", default="", metavar="TEXT", help="what the text is about")
    add_connection(parser)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What to write."""

    text: str
    lines: list[dict[str, object]]
    model: str
    warnings: tuple[ServiceWarning, ...]


def run(given: argparse.Namespace) -> int:
    """Translate.

    Raises:
        CommandError: there is not exactly one thing to translate, or a file cannot be read or written.
        SpeechApiError: the server refused, has no model for the pair, or does not answer.
    """
    if sum(each is not None for each in (given.text, given.file, given.audio)) != 1:
        raise CommandError("give one of TEXT, --file FILE and --audio FILE", ExitCode.USAGE)
    if (given.srt or given.vtt) and given.audio is None:
        raise CommandError("--srt and --vtt need --audio", ExitCode.USAGE)
    answer = asyncio.run(_translate(given))
    for warning in answer.warnings:
        note(f"warning: {warning.message}")
    lines = [*answer.lines, {"type": "summary", "model": answer.model}]
    encoded = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    write_file(given.output or Path("-"), encoded if given.json else answer.text)
    return ExitCode.OK


async def _translate(given: argparse.Namespace) -> _Answer:
    # Everything that can be wrong here is found before the server is asked.
    text = read_argument(given.text) if given.text is not None else ""
    suffix = _SUBTITLE_SUFFIXES.get(given.file.suffix.lower()) if given.file else None
    if given.file is not None:
        text = read_file(given.file)
    async with connect(given) as client:
        if given.audio is not None:
            return _speech_answer(await _speech(client, given), given.to)
        if suffix is not None:
            reply = await client.translate_subtitles(
                text, given.to, subtitle_format=suffix, **_options(given)
            )
        else:
            reply = await client.translate_text(text, given.to, **_options(given))
    return _text_answer(reply, given.to)


async def _speech(client: SpeechClient, given: argparse.Namespace) -> SpeechTranslation:
    recognition = RecognizeOptions()
    if given.source:
        recognition["language"] = given.source
    if not (given.srt or given.vtt) and is_large(given.audio):
        return await _stream(client, given, {**_options(given), "recognition": recognition})
    options: TranslateSpeechOptions = {**_options(given), "recognition": recognition}
    if given.srt or given.vtt:
        options["subtitles"] = "srt" if given.srt else "vtt"
    return await client.translate_speech(given.audio, given.to, **options)


async def _stream(
    client: SpeechClient, given: argparse.Namespace, options: StreamTranslateOptions
) -> SpeechTranslation:
    """Translate a large file piece by piece."""
    source: list[RecognitionResult] = []
    translations: list[Translation] = []
    warnings: list[ServiceWarning] = []
    usage, latency = Usage(), Latency()
    async with contextlib.AsyncExitStack() as stack:
        bar = stack.enter_context(stack.enter_context(ProgressScreen()).file(str(given.audio)))
        stream = await stack.enter_async_context(
            client.translate_file(given.audio, given.to, on_sent=bar.sent, **options)
        )
        async for event in stream:
            match event:
                case RecognitionResult() if event.is_final:
                    source.append(event)
                case Translation() if event.is_final:
                    translations.append(event)
                case ServiceWarning():
                    warnings.append(event)
                case SessionEnded():
                    usage, latency = event.usage, event.latency
                case _:
                    pass
        model = stream.session.model
    return SpeechTranslation(
        source=tuple(source),
        translations=tuple(translations),
        subtitles={},
        audio=(),
        languages=(),
        model=model,
        usage=usage,
        latency=latency,
        warnings=tuple(warnings),
    )


def _options(given: argparse.Namespace) -> TranslateOptions:
    options = TranslateOptions()
    if given.model:
        options["model"] = given.model
    if given.source:
        options["source_language"] = given.source
    if given.context:
        options["context"] = given.context
    glossary = {term: target for term, target in given.term if target}
    kept = [term for term, target in given.term if not target]
    if glossary:
        options["glossary"] = glossary
    if kept:
        options["keep_terms"] = kept
    return options


def _text_answer(reply: TextTranslation, to: str) -> _Answer:
    text = _file_of(reply.subtitles, to) if reply.subtitles else f"{reply.text}\n"
    lines = _translations(reply.translations)
    return _Answer(text, [*lines, *_files(reply.subtitles)], reply.model, reply.warnings)


def _speech_answer(reply: SpeechTranslation, to: str) -> _Answer:
    text = "".join(f"{each.text}\n" for each in reply.translations)
    if reply.subtitles:
        text = _file_of(reply.subtitles, to)
    lines: list[dict[str, object]] = [
        {
            "type": "source",
            "segment_id": result.segment_id,
            "text": result.text,
            "start_ms": result.start_ms,
            "end_ms": result.end_ms,
        }
        for result in reply.source
    ]
    lines += _translations(reply.translations)
    return _Answer(text, [*lines, *_files(reply.subtitles)], reply.model, reply.warnings)


def _translations(translations: Iterable[Translation]) -> list[dict[str, object]]:
    return [
        {
            "type": "translation",
            "segment_id": each.segment_id,
            "source_language": each.source_language,
            "language": each.language,
            "text": each.text,
        }
        for each in translations
    ]


def _files(subtitles: dict[str, str]) -> Iterable[dict[str, object]]:
    return (
        {"type": "subtitles", "language": language, "text": text}
        for language, text in subtitles.items()
    )


def _file_of(subtitles: dict[str, str], to: str) -> str:
    """The target's file; the server may write its code in another form, and the source's comes first."""
    return subtitles.get(to) or list(subtitles.values())[-1]


def _term(text: str) -> tuple[str, str]:
    term, _, target = text.partition("=")
    if not term.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not TERM or TERM=TRANSLATION")
    return term, target
