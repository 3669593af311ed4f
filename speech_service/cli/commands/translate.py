"""``speech-service translate TEXT|--file FILE|--audio FILE --to CODE``: text, subtitle files and speech."""

import argparse
import asyncio
import contextlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from speech_client import (
    Latency,
    Progress,
    RecognitionResult,
    RecognizeOptions,
    Reconnected,
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
from speech_service.cli.arguments import add_connection, add_priority, connect
from speech_service.cli.commands.recognize import is_large
from speech_service.cli.failure import CommandError, ExitCode
from speech_service.cli.lost import telling_loss
from speech_service.cli.streams import JsonLine, describe_lines, json_line
from speech_service.cli.texts import audio_file, note, read_argument, read_file, went_on, write_file
from speech_service.cli.ui import subtitles
from speech_service.cli.ui.progress import ProgressScreen

_SRT_BEGINS = re.compile(r"\s*\d+[ \t]*\r?\n\d+:\d\d:\d\d[,.]\d{3} --> ")
_SUBTITLE_SUFFIXES: dict[str, SubtitleFormat] = {".srt": "srt", ".vtt": "vtt"}


class SourceJson(JsonLine, tag_field="type", tag="source"):
    """A segment of speech as it was recognized; with `--audio` only."""

    segment_id: int
    """Number of the segment, from 1."""
    text: str
    """What was said."""
    start_ms: int
    """Start, in milliseconds of the audio."""
    end_ms: int
    """End, in milliseconds of the audio."""


class TranslationJson(JsonLine, tag_field="type", tag="translation"):
    """A text, or a segment of speech, in the target language."""

    segment_id: int
    """Number of the text or segment."""
    source_language: str
    """BCP-47 code of the language that it is translated from."""
    language: str
    """BCP-47 code of the target language."""
    text: str
    """The translation."""


class SubtitlesJson(JsonLine, tag_field="type", tag="subtitles"):
    """A subtitle file in the target language; for subtitles only."""

    language: str
    """BCP-47 code of the target language."""
    text: str
    """The whole file."""


class TranslationSummaryJson(JsonLine, tag_field="type", tag="summary"):
    """The last line."""

    model: str
    """Model that served the call."""


JSON_LINES = (SourceJson, TranslationJson, SubtitlesJson, TranslationSummaryJson)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = (
        "Subtitles keep their times and numbers; only their words are translated. They are known by --format, by the "
        f"ending .srt or .vtt, or by how they begin. {describe_lines(JSON_LINES)}"
    )
    parser.add_argument(
        "text", nargs="?", metavar="TEXT", help="the text; @FILE reads a file, - stdin"
    )
    parser.add_argument(
        "--file", type=Path, metavar="FILE", help="subtitles (.srt, .vtt) or text; - reads stdin"
    )
    parser.add_argument(
        "--format",
        choices=("text", "srt", "vtt"),
        help="what TEXT or --file holds; default: see below",
    )
    parser.add_argument(
        "--audio", type=audio_file, metavar="FILE", help="speech to translate; - reads stdin"
    )
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
    add_priority(parser)
    add_connection(parser)


@dataclass(frozen=True, slots=True)
class _Translated:
    """What the server answered, in the forms that can be written."""

    text: str
    lines: list[JsonLine]
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
        raise CommandError(
            "--srt and --vtt need --audio; --format srt says what --file holds", ExitCode.USAGE
        )
    if given.format and given.audio is not None:
        raise CommandError("--format is for TEXT and --file; --srt for --audio", ExitCode.USAGE)
    # Everything that can be wrong here is found before the server is asked.
    text = read_argument(given.text) if given.text is not None else ""
    if given.file is not None:
        text = read_argument("-") if str(given.file) == "-" else read_file(given.file)
    form = _speech_form(given) if given.audio is not None else _text_form(given, text)
    _check_output(given, form)
    answer = asyncio.run(_translate(given, text, form))
    for warning in answer.warnings:
        note(f"warning: {warning.message}")
    lines = [*answer.lines, TranslationSummaryJson(model=answer.model)]
    if given.json and given.output is None:
        for line in lines:
            print(json_line(line))
        return ExitCode.OK
    encoded = (json.dumps(msgspec.to_builtins(line), ensure_ascii=False) for line in lines)
    text = "".join(f"{line}\n" for line in encoded) if given.json else answer.text
    write_file(given.output or Path("-"), text)
    return ExitCode.OK


async def _translate(
    given: argparse.Namespace, text: str, form: SubtitleFormat | None
) -> _Translated:
    async with connect(given) as client:
        if given.audio is not None:
            return _speech_answer(await _speech(client, given), form)
        if form is not None:
            reply = await client.translate_subtitles(
                text, given.to, subtitle_format=form, **_options(given)
            )
        else:
            reply = await client.translate_text(text, given.to, **_options(given))
    return _text_answer(reply, given.to)


def _speech_form(given: argparse.Namespace) -> SubtitleFormat | None:
    """Give what ``--audio`` becomes: subtitles where they are asked for, or where the output is called so."""
    if given.srt or given.vtt:
        return "srt" if given.srt else "vtt"
    return None if given.json else _ending(given.output)


def _text_form(given: argparse.Namespace, text: str) -> SubtitleFormat | None:
    """Give what is to be translated, and therefore what it becomes."""
    if given.format:
        return None if given.format == "text" else given.format
    if ending := _ending(given.file):
        return ending
    if text.startswith("WEBVTT"):
        return "vtt"
    return "srt" if _SRT_BEGINS.match(text) else None


def _check_output(given: argparse.Namespace, form: SubtitleFormat | None) -> None:
    named = _ending(given.output)
    if named is not None and (given.json or named != form):
        held = "JSON Lines" if given.json else (form or "text").upper()
        raise CommandError(
            f"{given.output}: what comes is {held}, not {named.upper()}; name it otherwise",
            ExitCode.USAGE,
        )


def _ending(path: Path | None) -> SubtitleFormat | None:
    return _SUBTITLE_SUFFIXES.get(path.suffix.lower()) if path is not None else None


async def _speech(client: SpeechClient, given: argparse.Namespace) -> SpeechTranslation:
    recognition = RecognizeOptions()
    if given.source:
        recognition["language"] = given.source
    if is_large(given.audio):
        return await _stream(client, given, {**_options(given), "recognition": recognition})
    options: TranslateSpeechOptions = {**_options(given), "recognition": recognition}
    return await client.translate_speech(given.audio, given.to, **options)


async def _stream(
    client: SpeechClient, given: argparse.Namespace, options: StreamTranslateOptions
) -> SpeechTranslation:
    """Translate a large file piece by piece."""
    source: list[RecognitionResult] = []
    translations: list[Translation] = []
    warnings: list[ServiceWarning] = []
    usage, latency = Usage(), Latency()
    ends_ms: dict[int, int] = {}
    async with contextlib.AsyncExitStack() as stack:
        screen = stack.enter_context(ProgressScreen(doing="translated"))
        bar = stack.enter_context(screen.file(str(given.audio)))
        stream = await stack.enter_async_context(
            client.translate_file(given.audio, given.to, on_sent=bar.sent, **options)
        )
        stack.enter_context(
            telling_loss(given, lambda: max(ends_ms.values(), default=0), "nothing of it is shown")
        )
        async for event in stream:
            match event:
                case RecognitionResult() if event.is_final:
                    source.append(event)
                    ends_ms[event.segment_id] = event.end_ms
                case Translation() if event.is_final:
                    translations.append(event)
                    bar.done(ends_ms.get(event.segment_id, 0))
                case Progress():
                    bar.received(event.received_ms)
                case ServiceWarning():
                    warnings.append(event)
                case Reconnected():
                    screen.error(f"{given.audio}: {went_on(event)}")
                case SessionEnded():
                    usage, latency = event.usage, event.latency
                case _:
                    pass
        model = stream.session.model
    return SpeechTranslation(
        source=tuple(source),
        # Told in the order of what was said, not in that in which the translations were done.
        translations=tuple(sorted(translations, key=lambda each: each.segment_id)),
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


def _text_answer(reply: TextTranslation, to: str) -> _Translated:
    text = _file_of(reply.subtitles, to) if reply.subtitles else f"{reply.text}\n"
    lines = _translations(reply.translations)
    return _Translated(text, [*lines, *_files(reply.subtitles)], reply.model, reply.warnings)


def _speech_answer(reply: SpeechTranslation, form: SubtitleFormat | None) -> _Translated:
    text = "".join(f"{each.text}\n" for each in reply.translations)
    if form is not None:
        translated = {each.segment_id: each.text for each in reply.translations}
        text = subtitles.of_translation(reply.source, translated, form)
    lines: list[JsonLine] = [
        msgspec.convert(result, SourceJson, from_attributes=True) for result in reply.source
    ]
    lines += _translations(reply.translations)
    return _Translated(text, lines, reply.model, reply.warnings)


def _translations(translations: Iterable[Translation]) -> list[JsonLine]:
    return [msgspec.convert(each, TranslationJson, from_attributes=True) for each in translations]


def _files(subtitles: dict[str, str]) -> Iterable[JsonLine]:
    return (SubtitlesJson(language=language, text=text) for language, text in subtitles.items())


def _file_of(subtitles: dict[str, str], to: str) -> str:
    """Give the target's file; the server may write its code in another form, and the source's comes first."""
    return subtitles.get(to) or list(subtitles.values())[-1]


def _term(text: str) -> tuple[str, str]:
    term, _, target = text.partition("=")
    if not term.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not TERM or TERM=TRANSLATION")
    return term, target
