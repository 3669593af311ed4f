"""How much each field of a request may hold: the one table, and the check that every message passes first.

Counts and lengths are looked at before anything walks, copies or compares what a message holds. A field that is not in
``COUNTS`` or ``CHARACTERS`` is in ``OWN_COUNTS`` or ``OWN``: its servicer refuses too much with an error of its own, or
the configuration says how much is too much. The comments in ``proto/`` say the same figures to clients.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from speech_service.edge.fields import limit_exceeded

MAX_NAME_CHARACTERS = 256
"""Of names that are looked up: models, voices, languages, tokens. A longer one is simply not found."""
_PACKAGE = "speech.v1."


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that a field may hold, and what the limit is called in errors."""

    most: int
    limit_name: str


COUNTS: Mapping[str, Bound] = {
    "speech.v1.LanguageConfig.codes": Bound(200, "max_codes"),
    "speech.v1.ContextConfig.terms": Bound(1_000, "max_terms"),
    "speech.v1.ContextConfig.replacements": Bound(500, "max_replacements"),
    "speech.v1.Resume.channel_from_ms": Bound(8, "max_channels"),
    "speech.v1.Resume.untranslated": Bound(1_000, "max_segments"),
    "google.protobuf.FieldMask.paths": Bound(100, "max_paths"),
    "speech.v1.SynthesisConfig.lexicon": Bound(1_000, "max_lexicon_entries"),
    "speech.v1.TranslationConfig.glossary": Bound(500, "max_glossary_entries"),
    "speech.v1.CreateVoiceRequest.languages": Bound(100, "max_languages"),
    "speech.admin.v1.ClearCachesRequest.kinds": Bound(100, "max_kinds"),
}
"""Of repeated fields."""

CHARACTERS: Mapping[str, Bound] = {
    "google.protobuf.FieldMask.paths": Bound(256, "max_characters"),
    "speech.v1.UntranslatedSegment.text": Bound(20_000, "max_characters"),
    "speech.v1.Replacement.find": Bound(200, "max_characters"),
    "speech.v1.Replacement.replace_with": Bound(200, "max_characters"),
    "speech.v1.LexiconEntry.term": Bound(200, "max_characters"),
    "speech.v1.LexiconEntry.pronunciation": Bound(200, "max_characters"),
    "speech.v1.SynthesisConfig.style_instruction": Bound(2_000, "max_characters"),
    "speech.v1.VoicePrompt.transcript": Bound(2_000, "max_characters"),
    "speech.v1.GlossaryEntry.source": Bound(200, "max_term_characters"),
    "speech.v1.GlossaryEntry.target": Bound(200, "max_term_characters"),
    "speech.v1.TranslationConfig.context": Bound(10_000, "max_context_characters"),
    "speech.v1.CreateVoiceRequest.display_name": Bound(500, "max_characters"),
    "speech.v1.CreateVoiceRequest.description": Bound(500, "max_characters"),
}
"""Of strings, in code points; of repeated strings, of each."""

_NAMES = (
    "RecognitionConfig.model",
    "LanguageConfig.codes",
    "Resume.token",
    "Resume.source_language",
    "UntranslatedSegment.language",
    "SynthesisConfig.model",
    "SynthesisConfig.voice_id",
    "SynthesisConfig.language",
    "AlignmentConfig.model",
    "AlignmentConfig.language",
    "TranslationConfig.model",
    "TranslationConfig.source_language",
    "TranslationConfig.target_languages",
    "GlossaryEntry.target_language",
    "CreateVoiceRequest.model",
    "CreateVoiceRequest.languages",
    "GetVoiceRequest.voice_id",
    "DeleteVoiceRequest.voice_id",
    "ListVoicesRequest.language",
    "ListVoicesRequest.model",
    "ListVoicesRequest.page_token",
    "ListModelsRequest.language",
    "GetModelRequest.name",
)
OWN: Mapping[str, str | int] = {
    **{_PACKAGE + name: MAX_NAME_CHARACTERS for name in _NAMES},
    "speech.v1.ContextConfig.text": 10_000,
    "speech.v1.ContextConfig.terms": 10_000,
    "speech.v1.VoiceDesign.description": 2_000,
    "speech.v1.CreateVoiceRequest.voice_id": 64,
    "speech.v1.Finalize.control_id": 64,
    "speech.v1.Reset.control_id": 64,
    "speech.v1.UpdateRecognitionConfig.control_id": 64,
    "speech.v1.UpdateSynthesisConfig.control_id": 64,
    "speech.v1.Flush.context_id": 64,
    "speech.v1.Flush.control_id": 64,
    "speech.v1.Cancel.context_id": 64,
    "speech.v1.Cancel.control_id": 64,
    "speech.v1.SynthesisText.context_id": 64,
    "speech.v1.AlignRequest.text": 1_000_000,
    "speech.v1.AlignmentText.text": 1_000_000,
    "speech.v1.TextList.texts": "translation.max_text_characters",
    "speech.v1.TranslateTextRequest.text": "translation.max_text_characters",
    "speech.v1.TranslationText.text": "translation.max_text_characters",
    "speech.v1.SubtitleDocument.text": "translation.max_subtitle_characters",
    "speech.v1.SynthesizeRequest.text": "synthesis.max_text_characters",
    "speech.v1.SynthesizeChunkedRequest.text": "synthesis.max_text_characters",
    "speech.v1.SynthesisText.text": "synthesis.max_text_characters",
    "speech.v1.AudioChunk.data": "server.max_audio_message_bytes",
    "speech.v1.VoicePrompt.audio": "server.max_message_bytes",
    "speech.v1.RecognizeRequest.audio": "server.max_message_bytes",
    "speech.v1.AlignRequest.audio": "server.max_message_bytes",
    "speech.v1.TranslateSpeechRequest.audio": "server.max_message_bytes",
    "speech.admin.v1.LoadModelRequest.model": MAX_NAME_CHARACTERS,
    "speech.admin.v1.UnloadModelRequest.model": MAX_NAME_CHARACTERS,
    "speech.admin.v1.ListModelInstancesRequest.model": MAX_NAME_CHARACTERS,
    "speech.admin.v1.WatchModelInstancesRequest.model": MAX_NAME_CHARACTERS,
}
"""Strings and bytes whose length is checked where the field is used: the figure, or the configuration's key for it."""

OWN_COUNTS: Mapping[str, str] = {
    "speech.v1.TranslationConfig.target_languages": "translation.max_targets",
    "speech.v1.TextList.texts": "translation.max_texts",
}
"""Repeated fields that are counted where they are used: the configuration's key for the figure."""


@dataclass(frozen=True, slots=True)
class _Step:
    """What is looked at in one field of a message."""

    name: str
    count: Bound | None
    characters: Bound | None
    inner: "_Plan | None"
    is_repeated: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is looked at in a message. ``payloads``: the steps of a message that is one of several."""

    steps: tuple[_Step, ...]
    payloads: Mapping[str, _Step] | None


def check_fields(message: Message) -> None:
    """Refuse a message with a field that holds more than its bound.

    Raises:
        InvalidFieldError: names the field by its path.
    """
    plan = _plan(message.DESCRIPTOR)
    if plan is not None:
        _check(message, plan, "")


def _check(message: Any, plan: _Plan, path: str) -> None:
    if plan.payloads is not None:
        step = plan.payloads.get(message.WhichOneof("payload"))
        if step is not None:
            _check_field(message, step, path)
        return
    for step in plan.steps:
        _check_field(message, step, path)


def _check_field(message: Any, step: _Step, path: str) -> None:
    where = f"{path}.{step.name}" if path else step.name
    if step.is_repeated:
        values = getattr(message, step.name)
        if step.count is not None and len(values) > step.count.most:
            raise limit_exceeded(where, step.count.limit_name, step.count.most)
        for index, value in enumerate(values if step.characters or step.inner else ()):
            _check_value(value, step, f"{where}[{index}]")
    elif step.inner is None or message.HasField(step.name):
        _check_value(getattr(message, step.name), step, where)


def _check_value(value: Any, step: _Step, path: str) -> None:
    if step.inner is not None:
        _check(value, step.inner, path)
    elif step.characters is not None and len(value) > step.characters.most:
        raise limit_exceeded(path, step.characters.limit_name, step.characters.most)


@cache
def _plan(descriptor: Descriptor) -> _Plan | None:
    """None: nothing of the message has a bound in the tables."""
    steps = tuple(step for field in descriptor.fields if (step := _step(field)) is not None)
    if not steps:
        return None
    one = descriptor.oneofs_by_name.get("payload")
    is_one = one is not None and len(one.fields) == len(descriptor.fields)
    return _Plan(steps, {step.name: step for step in steps} if is_one else None)


def _step(field: FieldDescriptor) -> _Step | None:
    inner = _plan(field.message_type) if field.message_type is not None else None
    count, characters = COUNTS.get(field.full_name), CHARACTERS.get(field.full_name)
    if inner is None and count is None and characters is None:
        return None
    return _Step(field.name, count, characters, inner, field.is_repeated)
