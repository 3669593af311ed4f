"""Translation options as keyword arguments, and how they become a ``TranslationConfig``.

Nothing is checked here that the server checks better: it knows which pairs it serves and names the wrong field.
"""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from speech.v1 import common_pb2
from speech.v1.translation_service_pb2 import TranslationConfig
from speech_client.option_names import check_options
from speech_client.options import (
    Pacing,
    RecognizeOptions,
    SubtitleFormat,
    build_config,
    duration,
)
from speech_client.options import subtitle_format as subtitle_value
from speech_client.speech_options import SynthesizeOptions, build_synthesis_config


class TranslateOptions(TypedDict, total=False):
    """Options of every translation; all may be left out.

    Keys:
        model: name as in ``list_models``; "": the server's default for the pair.
        source_language: BCP-47 code of the source; default: the server finds it.
        glossary: terms and their set translations.
        keep_terms: terms that stay as they are.
        context: what is known about the text, such as its subject.
        lenient: options that the model lacks are left out with a warning.
        raw_config: escape hatch: a message that the options above are merged into.
    """

    model: str
    source_language: str
    glossary: Mapping[str, str]
    keep_terms: Sequence[str]
    context: str
    lenient: bool
    raw_config: TranslationConfig


class TranslateSpeechOptions(TranslateOptions, total=False):
    """Options of translating speech, besides those of every translation.

    Keys:
        recognition: how to recognize the audio, as in ``RecognizeOptions``; with it audio is auto-detected by default.
        synthesis: speaks the translations so, as in ``SynthesizeOptions``; default: no speech.
        subtitles: asks a unary call for subtitle files of the source and of each target.
    """

    recognition: RecognizeOptions
    synthesis: SynthesizeOptions
    subtitles: SubtitleFormat


class StreamTranslateOptions(TranslateOptions, total=False):
    """Options of a translation stream, besides those of every translation.

    Keys:
        recognition: required where audio is sent (``{}`` will do); leave it out to send text.
        synthesis: speaks the translations so, as in ``SynthesizeOptions``; default: no speech.
        partial_translations: whether translations that can still change are sent; default: no.
        sentence_pause_ms: how long no text may come before a finished sentence is translated; default 200; 0: until
            the next word comes. Text only.
    """

    recognition: RecognizeOptions
    synthesis: SynthesizeOptions
    partial_translations: bool
    sentence_pause_ms: int


def build_translation_config(
    to: str | Sequence[str], options: TranslateOptions, kind: type = TranslateOptions
) -> TranslationConfig:
    """The message that stands for the target languages and the options of every translation.

    Args:
        to: BCP-47 code or codes of the targets.
        options: those of this kind; what is not of every translation is left to the caller.
        kind: the typed dictionary that says what options there may be.

    Raises: see ``check_options``.
    """
    check_options(options, kind)
    config = TranslationConfig()
    if "raw_config" in options:
        config.CopyFrom(options["raw_config"])
    config.target_languages[:] = [to] if isinstance(to, str) else to
    if "model" in options:
        config.model = options["model"]
    if "source_language" in options:
        config.source_language = options["source_language"]
    if "context" in options:
        config.context = options["context"]
    for source, target in options.get("glossary", {}).items():
        config.glossary.add(source=source, target=target)
    for term in options.get("keep_terms", ()):
        config.glossary.add(source=term, do_not_translate=True)
    if options.get("lenient"):
        config.option_handling = common_pb2.OPTION_HANDLING_LENIENT
    return config


def build_speech_translation_config(
    to: str | Sequence[str], options: TranslateSpeechOptions
) -> TranslationConfig:
    """The message of a unary call with audio."""
    config = build_translation_config(to, options, TranslateSpeechOptions)
    config.recognition.CopyFrom(build_config(options.get("recognition", {})))
    if "synthesis" in options:
        config.synthesis.CopyFrom(build_synthesis_config(options["synthesis"]))
    if "subtitles" in options:
        config.subtitles.format = subtitle_value(options["subtitles"])
    return config


def build_stream_translation_config(
    to: str | Sequence[str], options: StreamTranslateOptions, pacing: Pacing
) -> TranslationConfig:
    """The message of a stream; ``pacing`` is how its audio comes."""
    config = build_translation_config(to, options, StreamTranslateOptions)
    if "recognition" in options:
        config.recognition.CopyFrom(build_config(options["recognition"], pacing))
    if "synthesis" in options:
        config.synthesis.CopyFrom(build_synthesis_config(options["synthesis"]))
    if "partial_translations" in options:
        config.partial_translations = options["partial_translations"]
    if "sentence_pause_ms" in options:
        config.sentence_pause.CopyFrom(duration(options["sentence_pause_ms"]))
    return config
