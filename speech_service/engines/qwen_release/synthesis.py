"""What a Qwen3-TTS release can be asked for, whoever runs it: every other option is refused by name.

Languages have the tags of BCP 47, dialects those of private use (section 2.2.7).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

from speech_service.domain.errors import (
    InvalidOptionError,
    PreconditionError,
    UnsupportedOptionError,
)
from speech_service.domain.models import Capability
from speech_service.domain.work import SynthesizeWork
from speech_service.engines.qwen_release.files import CheckpointFiles

MODEL_TYPE = "qwen3_tts"
CODEC_MODEL_TYPE = "qwen3_tts_tokenizer_12hz"
NAMES: Mapping[str, str] = {
    "zh": "chinese", "en": "english", "ja": "japanese", "ko": "korean", "de": "german", "fr": "french",
    "ru": "russian", "pt": "portuguese", "es": "spanish", "it": "italian",
    "zh-x-beijing": "beijing_dialect", "zh-x-sichuan": "sichuan_dialect",
}  # fmt: skip


def tags_of(names: Collection[str]) -> tuple[str, ...]:
    """Tags of the languages that a checkpoint knows by these names."""
    return tuple(tag for tag, name in NAMES.items() if name in names)


def name_of(tag: str, names: Collection[str]) -> str:
    """The checkpoint's name of a language; an empty tag leaves it to the model.

    Raises:
        UnsupportedOptionError: the checkpoint does not speak it.
    """
    if not tag:
        return ""
    name = NAMES.get(tag)
    if name is None or name not in names:
        problem = f"{tag[:35]!r} is no language of this model"
        raise UnsupportedOptionError("language", problem, tags_of(names))
    return name


class TtsKind(Enum):
    """Where a checkpoint takes its voices from; values are the release's ``tts_model_type``."""

    CUSTOM_VOICE = "custom_voice"
    """Built-in speakers."""
    VOICE_DESIGN = "voice_design"
    """A description in words."""
    BASE = "base"
    """A recording of the speaker."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model can do. ``voices`` are the speakers of a CustomVoice model, ``languages`` are tags."""

    kind: TtsKind
    voices: tuple[str, ...]
    languages: tuple[str, ...]
    follows_instructions: bool

    @property
    def capabilities(self) -> frozenset[Capability]:
        """As a backend declares them."""
        found = {Capability.SEED}
        if self.follows_instructions:
            found.add(Capability.STYLE_INSTRUCTION)
        if self.kind is TtsKind.VOICE_DESIGN:
            found.add(Capability.VOICE_DESIGN)
        if self.kind is TtsKind.BASE:
            found.add(Capability.VOICE_CLONING)
        return frozenset(found)


def read_abilities(files: CheckpointFiles) -> Abilities:
    """Those of a checkpoint, as its config.json has them.

    Raises:
        CheckpointError: it is no speaking checkpoint, or a field is missing or of a value that is not supported.
    """
    top = files.config
    if top.get("model_type") != MODEL_TYPE:
        raise files.error(
            f"config.json says model_type {top.get('model_type')!r}; {MODEL_TYPE!r} is needed here"
        )
    if top.get("tokenizer_type", CODEC_MODEL_TYPE) != CODEC_MODEL_TYPE:
        raise files.error(
            f"tokenizer_type {top['tokenizer_type']!r} is not implemented, only {CODEC_MODEL_TYPE!r}"
        )
    with files.reading_config():
        kind = TtsKind(top["tts_model_type"])
        talker = section(top, "talker_config")
        # The small model with built-in speakers was not trained to follow words on how to speak.
        is_small = str(top.get("tts_model_size", "")) in ("0b6", "0.6b")
        return Abilities(
            kind=kind,
            voices=tuple(sorted(table(talker, "spk_id"))),
            languages=tags_of(table(talker, "codec_language_id")),
            follows_instructions=kind is TtsKind.VOICE_DESIGN
            or (kind is TtsKind.CUSTOM_VOICE and not is_small),
        )


def section(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Give an object inside a configuration.

    Raises:
        KeyError: it is missing.
        TypeError: it is no object.
    """
    found = config[key]
    if not isinstance(found, Mapping):
        raise TypeError(f"{key} is no object")
    return cast(Mapping[str, Any], found)


def table(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Give an optional object whose keys are names, in lower case."""
    found = cast(dict[str, Any], config.get(key) or {})
    return {name.lower(): value for name, value in found.items()}


def check(work: SynthesizeWork, abilities: Abilities) -> None:
    """Refuse what the model cannot do.

    Raises:
        UnsupportedOptionError: the model lacks the voice or an option.
        InvalidOptionError: no voice is described.
        PreconditionError: no voice is given to a model that clones.
    """
    _check_options(work, abilities)
    _check_voice(work, abilities)


def _check_voice(work: SynthesizeWork, abilities: Abilities) -> None:
    if abilities.kind is TtsKind.CUSTOM_VOICE:
        if work.voice not in abilities.voices:
            problem = f"{work.voice[:64]!r} is no voice of this model"
            raise UnsupportedOptionError("voice_id", problem, abilities.voices)
    elif work.voice:
        problem = f"{work.voice[:64]!r} is no voice of this model, which has none of its own"
        raise UnsupportedOptionError("voice_id", problem, ("none",))
    if abilities.kind is TtsKind.VOICE_DESIGN and not work.instruct.strip():
        problem = "is not set; this model speaks with a voice that is described"
        raise InvalidOptionError("design", problem, "a description of the voice")
    if abilities.kind is TtsKind.BASE and work.voice_prompt is None:
        problem = "this model speaks with the voice of a recording, and none is given"
        raise PreconditionError("inline_prompt", problem, reason="NO_VOICE")


def _check_options(work: SynthesizeWork, abilities: Abilities) -> None:
    if work.voice_prompt is not None and abilities.kind is not TtsKind.BASE:
        problem = f"a {abilities.kind.value} model does not clone voices"
        raise UnsupportedOptionError("inline_prompt", problem, ("none",))
    if work.instruct.strip() and not abilities.follows_instructions:
        problem = "the model follows no instructions"
        raise UnsupportedOptionError("style_instruction", problem, ("none",))
    if work.speaking_rate != 1.0:
        raise UnsupportedOptionError("speaking_rate", "the model has one pace", ("1.0",))
    if work.lexicon:
        raise UnsupportedOptionError("lexicon", "the model takes none", ("none",))
