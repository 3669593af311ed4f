"""The voices of this server, and the other ids that mean them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from speech_service.calls.model_catalog import MAX_SHOWN_CHARACTERS, ModelCatalog
from speech_service.calls.voices.files import MadeVoice
from speech_service.calls.voices.store import MadeVoices
from speech_service.config.tree import SynthesisConfig
from speech_service.domain.errors import (
    PreconditionError,
    ResourceNotFoundError,
    UnsupportedOptionError,
)
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind
from speech_service.domain.synthesis import Voice

CLONING_MODELS = "Qwen3-TTS"
"""The family of models that clones voices and makes them from descriptions."""
_MAKERS = {
    Capability.VOICE_CLONING: "clones voices",
    Capability.VOICE_DESIGN: "makes voices from descriptions",
}


@dataclass(frozen=True, slots=True)
class ListedVoice:
    """A voice with the models that speak it and the aliases that mean it."""

    voice: Voice
    models: tuple[str, ...]
    aliases: tuple[str, ...]
    made_at_s: float | None = None
    """Seconds since 1970; None: it comes with its model."""


class VoiceCatalog:
    """What the models declare, known before any of them is loaded, and what clients made."""

    def __init__(
        self, catalog: ModelCatalog, config: SynthesisConfig, made: MadeVoices | None = None
    ) -> None:
        self._catalog = catalog
        self._made = made or MadeVoices(0)
        self._default = config.default_voice
        self.aliases: Mapping[str, str] = config.aliases

    @property
    def store(self) -> MadeVoices:
        """Keeps those that clients made."""
        return self._made

    async def refresh(self) -> None:
        """Take in the voices that other front ends have made or deleted. Never fails."""
        await self._made.refresh()

    @property
    def voices(self) -> Sequence[ListedVoice]:
        """All, sorted by id."""
        found: dict[str, list[Voice]] = {}
        for model in self._synthesizers():
            for voice in model.voices:
                found.setdefault(voice.voice_id, []).append(voice)
        listed = [
            ListedVoice(same[0], tuple(v.model for v in same), self._aliases_of(voice_id))
            for voice_id, same in found.items()
        ]
        listed += [
            ListedVoice(m.voice, (m.voice.model,), (), m.made_at_s) for m in self._made.voices
        ]
        return sorted(listed, key=lambda each: each.voice.voice_id)

    def get(self, voice_id: str) -> ListedVoice:
        """The voice of that id or alias.

        Raises:
            ResourceNotFoundError: there is none.
        """
        voices = {listed.voice.voice_id: listed for listed in self.voices}
        listed = voices.get(voice_id) or voices.get(self._meant(voice_id))
        if listed is None:
            raise _not_found(voice_id, list(voices))
        return listed

    def made(self, voice_id: str) -> MadeVoice | None:
        """The voice of that id, if a client made it."""
        return self._made.get(voice_id)

    def maker(self, wanted: Capability, name: str, option: str) -> ModelCapabilities:
        """The synthesizer that makes voices: the one of that name, or, for an empty one, the default one or the first
        that can.

        Raises:
            PreconditionError: no model can.
            UnsupportedOptionError: the model cannot, but another one does.
            ResourceNotFoundError: unknown model.
        """
        able = [m for m in self._synthesizers() if wanted in m.capabilities]
        if not able:
            raise no_cloning(option, _MAKERS[wanted])
        if not name:
            return next(filter(self._catalog.is_default, able), able[0])
        model = self._catalog.find(name, ModelKind.SYNTHESIZER)
        if model not in able:
            problem = f"model {name} is none that {_MAKERS[wanted]}"
            raise UnsupportedOptionError(option, problem, [m.name for m in able])
        return model

    def resolve(self, voice_id: str, model: ModelCapabilities) -> Voice:
        """The voice that a request to ``model`` means; an empty id is the default.

        Raises:
            UnsupportedOptionError: the model does not speak it, but another one does, or it would have to be
                downloaded.
            ResourceNotFoundError: nobody knows it.
            PreconditionError: the model has no voice at all.
        """
        voices = {voice.voice_id: voice for voice in model.voices}
        made = self._made.get(voice_id)
        if made is not None:
            if made.voice.model != model.name:
                problem = f"{voice_id!r} is no voice of model {model.name}"
                raise UnsupportedOptionError("voice_id", problem, [f"model {made.voice.model}"])
            return made.voice
        if not voices:
            raise PreconditionError(
                "voice_id", f"model {model.name} has no voice", reason="NO_VOICE"
            )
        if not voice_id:
            return self._default_of(model)
        if voice_id not in voices and voice_id in self.aliases:
            voice_id = self.aliases[voice_id] or self._default_of(model).voice_id
        if voice_id in voices:
            return voices[voice_id]
        shown = voice_id[:MAX_SHOWN_CHARACTERS]
        if voice_id in model.absent_voices:
            problem = f"{shown!r} is not in the package of {model.name}, and nothing is downloaded"
            raise UnsupportedOptionError("voice_id", problem, sorted(voices))
        if any(voice_id == v.voice_id for m in self._synthesizers() for v in m.voices):
            problem = f"{shown!r} is no voice of model {model.name}"
            raise UnsupportedOptionError("voice_id", problem, sorted(voices))
        raise _not_found(voice_id, list(voices))

    def check(self) -> tuple[str, str] | None:
        """The first key of the configuration that names no voice, with that voice; None: all is well."""
        known = {v.voice_id for m in self._synthesizers() for v in m.voices}
        named = {"default_voice": self._default}
        named |= {f"aliases.{alias}": meant for alias, meant in self.aliases.items()}
        return next(((key, v) for key, v in named.items() if v and v not in known), None)

    def _synthesizers(self) -> list[ModelCapabilities]:
        return [m for m in self._catalog.models if m.kind is ModelKind.SYNTHESIZER]

    def _default_of(self, model: ModelCapabilities) -> Voice:
        return next((v for v in model.voices if v.voice_id == self._default), model.voices[0])

    def _meant(self, alias: str) -> str:
        """The voice id behind an alias; of an empty one the default model's default."""
        meant = self.aliases.get(alias)
        if meant != "":
            return meant or ""
        synthesizers = self._synthesizers()
        model = next((m for m in synthesizers if self._catalog.is_default(m)), None)
        return self._default_of(model).voice_id if model and model.voices else ""

    def _aliases_of(self, voice_id: str) -> tuple[str, ...]:
        known = {v.voice_id for m in self._synthesizers() for v in m.voices}
        return tuple(
            sorted(a for a in self.aliases if a not in known and self._meant(a) == voice_id)
        )


def no_cloning(option: str, what: str) -> PreconditionError:
    """The error for a voice that no loaded model can make."""
    return PreconditionError(
        option,
        f"no loaded model {what}; a model of the {CLONING_MODELS} family does, load one",
        reason="NO_MODEL_FOR_VOICE",
    )


def _not_found(voice_id: str, known: Sequence[str]) -> ResourceNotFoundError:
    hint = f"Known: {', '.join(sorted(known)) or 'none'}."
    return ResourceNotFoundError("voice", voice_id[:MAX_SHOWN_CHARACTERS], hint)
