"""What a Qwen3-TTS model can be asked for, whoever runs it: every other option is refused by name."""

from dataclasses import dataclass

from speech_service.domain.errors import (
    InvalidOptionError,
    PreconditionError,
    UnsupportedOptionError,
)
from speech_service.domain.models import Capability
from speech_service.domain.work import SynthesizeWork
from speech_service.engines.qwen3.tts.config import TtsConfig, TtsKind
from speech_service.engines.qwen3.tts.languages import tags_of


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


def abilities_of(config: TtsConfig) -> Abilities:
    """Those of a checkpoint."""
    return Abilities(
        kind=config.kind,
        voices=tuple(sorted(config.speakers)),
        languages=tags_of(config.languages),
        follows_instructions=config.follows_instructions,
    )


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
            raise UnsupportedOptionError("config.voice_id", problem, abilities.voices)
    elif work.voice:
        problem = f"{work.voice[:64]!r} is no voice of this model, which has none of its own"
        raise UnsupportedOptionError("config.voice_id", problem, ("none",))
    if abilities.kind is TtsKind.VOICE_DESIGN and not work.instruct.strip():
        problem = "is not set; this model speaks with a voice that is described"
        raise InvalidOptionError("config.design", problem, "a description of the voice")
    if abilities.kind is TtsKind.BASE and work.voice_prompt is None:
        problem = "this model speaks with the voice of a recording, and none is given"
        raise PreconditionError("config.inline_prompt", problem, reason="NO_VOICE")


def _check_options(work: SynthesizeWork, abilities: Abilities) -> None:
    if work.voice_prompt is not None and abilities.kind is not TtsKind.BASE:
        problem = f"a {abilities.kind.value} model does not clone voices"
        raise UnsupportedOptionError("config.inline_prompt", problem, ("none",))
    if work.instruct.strip() and not abilities.follows_instructions:
        problem = "the model follows no instructions"
        raise UnsupportedOptionError("config.style_instruction", problem, ("none",))
    if work.speaking_rate != 1.0:
        raise UnsupportedOptionError("config.speaking_rate", "the model has one pace", ("1.0",))
    if work.lexicon:
        raise UnsupportedOptionError("config.lexicon", "the model takes none", ("none",))
