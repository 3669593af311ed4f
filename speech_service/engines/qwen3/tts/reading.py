"""A work item as the networks take it: every option acts or is refused by name."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false

from dataclasses import dataclass

from speech_service.domain.errors import InvalidOptionError, LimitExceededError
from speech_service.domain.work import SynthesizeWork
from speech_service.engines.qwen3.codec.streams import CodecSnapshot
from speech_service.engines.qwen3.tts.config import FRAME_RATE_HZ, TtsConfig
from speech_service.engines.qwen3.tts.prompt import Reference, TtsPrompt, TtsPrompter, Utterance
from speech_service.engines.qwen3.tts.voices import VoiceStore
from speech_service.engines.qwen_release.synthesis import check, name_of
from speech_service.text.clean import clean, is_speakable

_SPARE_S = 4.0
_TOKEN_S = 1.0
"""Slower than this per token speaks nobody: the model has lost the text."""


@dataclass(frozen=True, slots=True)
class TextLimits:
    """Bounds of one work item."""

    max_frames: int
    """Of speech, whatever the text."""
    max_tokens: int
    """Prompt and frames together: what a slot of the KV cache holds."""
    whole_text: bool
    """See ``Utterance``."""


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """A work item, ready to be spoken."""

    prompt: TtsPrompt
    max_frames: int
    codec_start: CodecSnapshot | None


class ScriptReader:
    """Reads work items for one model."""

    def __init__(
        self, config: TtsConfig, prompter: TtsPrompter, voices: VoiceStore, limits: TextLimits
    ) -> None:
        self._config = config
        self._prompter = prompter
        self._voices = voices
        self._limits = limits

    def read(self, work: SynthesizeWork) -> Script:
        """Check and lay out. A voice that was not cloned before goes through the encoders.

        Raises:
            UnsupportedOptionError: the model lacks the voice, the language or an option.
            InvalidOptionError: there is nothing to speak, no voice is described, or the reference cannot be cloned.
            PreconditionError: no voice is given to a model that clones.
            LimitExceededError: the prompt does not fit.
        """
        check(work, self._config.abilities)
        text = clean(work.text)
        if not is_speakable(text):
            raise InvalidOptionError(
                "text", "says nothing", "text in words", reason="NOTHING_TO_SPEAK"
            )
        language = name_of(work.language, self._config.languages)
        cloned = self._voices.voice(work.voice_prompt) if work.voice_prompt else None
        prompt = self._prompter.prompt(
            Utterance(
                text=text,
                language=language,
                speaker=work.voice,
                instruct=work.instruct,
                reference=cloned.reference if cloned else None,
                whole_text=self._limits.whole_text,
            )
        )
        room = self._limits.max_tokens - len(prompt.prefill)
        budget = self.budget(len(self._prompter.text_tokens(text)))
        if room < budget:
            limit = max(0, self._limits.max_tokens - budget)
            field = self._longest(text, work.instruct, cloned.reference if cloned else None)
            raise LimitExceededError(field, "max_prompt_tokens", limit)
        start = cloned.codec_start if cloned else None
        return Script(prompt, budget, start)

    def _longest(self, text: str, instruct: str, reference: Reference | None) -> str:
        """The field that takes most of a prompt's room."""
        voice = 0
        if reference is not None and reference.codes is not None:
            transcript = len(self._prompter.text_tokens(reference.transcript))
            voice = max(len(reference.codes), transcript)
        tokens = {
            "text": len(self._prompter.text_tokens(text)),
            "style_instruction": len(self._prompter.text_tokens(instruct)),
            "inline_prompt": voice,
        }
        return max(tokens, key=lambda field: tokens[field])

    def budget(self, text_tokens: int) -> int:
        """Most frames that a text may take."""
        frames = int((_SPARE_S + text_tokens * _TOKEN_S) * FRAME_RATE_HZ)
        return min(frames, self._limits.max_frames)
