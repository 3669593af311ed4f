"""The prompt: a system turn with the context, a user turn with the audio, and the start of the answer."""

from dataclasses import dataclass
from functools import lru_cache

from speech_service.engines.qwen3.asr.output import TEXT_MARK
from speech_service.engines.qwen3.tokenizer import QwenTokenizer
from speech_service.engines.qwen_release.recognition import name_of

_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class AsrPrompt:
    """Token ids before and behind the audio's states."""

    head: tuple[int, ...]
    tail: tuple[int, ...]


class AsrPrompter:
    """Makes prompts for one tokenizer."""

    def __init__(self, tokenizer: QwenTokenizer) -> None:
        self._encode = tokenizer.encode
        self.prompt = lru_cache(_REMEMBERED)(self._prompt)
        """Ids of one request: see :meth:`_prompt`. A stream asks with every update."""
        self._start = tokenizer.token("<|im_start|>")
        self._end = tokenizer.token("<|im_end|>")
        self._text = tokenizer.token(TEXT_MARK)
        newline, user, answer = map(self._encode, ("\n", "user\n", "assistant\n"))
        audio = [tokenizer.token("<|audio_start|>"), tokenizer.token("<|audio_end|>")]
        self._user = (self._end, *newline, self._start, *user, audio[0])
        self._answer = (audio[1], self._end, *newline, self._start, *answer)

    def _prompt(self, context: str, language: str) -> AsrPrompt:
        """Ids of one request.

        Args:
            context: background text and terms, "" for none; whatever it says, it opens no turn.
            language: BCP-47 tag that is forced, "" to let the model say.
        """
        head = (self._start, *self._encode(f"system\n{context}"), *self._user)
        if not language:
            return AsrPrompt(head, self._answer)
        forced = self._encode(f"language {name_of(language)}")
        return AsrPrompt(head, (*self._answer, *forced, self._text))
