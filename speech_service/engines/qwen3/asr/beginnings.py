"""How an answer begins: from nothing, or with text of the update before that is not questioned again.

The second is the streaming policy of the qwen-asr package (0.0.6, ``streaming_transcribe``), for comparison: it saves
decoding and gives up exactness, because what it keeps is never corrected.
"""

from collections.abc import Callable, Sequence

from speech_service.domain.audio import MODEL_RATE_HZ
from speech_service.domain.work import RecognizeKind, RecognizeWork
from speech_service.engines.qwen3.asr.output import TEXT_MARK
from speech_service.engines.qwen3.tokenizer import QwenTokenizer

Beginning = Callable[[RecognizeWork], Sequence[int]]
"""Tokens that the answer to a work item begins with, whatever the model says."""

FREE_SAMPLES = 4 * MODEL_RATE_HZ
"""The package's two first chunks, of two seconds each."""
DROPPED_TOKENS = 5
_BROKEN = "\N{REPLACEMENT CHARACTER}"


def from_nothing(work: RecognizeWork) -> Sequence[int]:
    """Every token is the model's."""
    del work
    return ()


class KeptText:
    """The hypothesis before, less its last tokens: as many as told, or more, so that it holds no broken character.

    A FINAL drops as many as told, whatever they leave, as the package does.

    Args:
        tokenizer: of the model.
        free_samples: a segment that is no longer begins with nothing.
        dropped_tokens: how many are decoded again.
    """

    def __init__(
        self,
        tokenizer: QwenTokenizer,
        free_samples: int = FREE_SAMPLES,
        dropped_tokens: int = DROPPED_TOKENS,
    ) -> None:
        self._tokenizer = tokenizer
        self._free_samples = free_samples
        self._dropped_tokens = dropped_tokens
        self._tag = tokenizer.token(TEXT_MARK)

    def __call__(self, work: RecognizeWork) -> Sequence[int]:
        """See above."""
        if len(work.samples) <= self._free_samples:
            return ()
        tokens = self._encoded(self._tokenizer.decode(work.draft_tokens))
        longest = len(tokens) - self._dropped_tokens
        if work.kind is RecognizeKind.FINAL:
            return self._encoded(self._tokenizer.decode(tokens[: max(1, longest)]))
        for end in range(longest, 0, -1):
            text = self._tokenizer.decode(tokens[:end])
            if _BROKEN not in text:
                return self._encoded(text)
        return ()

    def _encoded(self, text: str) -> list[int]:
        """Ids of an answer; its tag is one."""
        first, *others = text.split(TEXT_MARK)
        tokens = self._tokenizer.encode(first)
        for part in others:
            tokens += [self._tag, *self._tokenizer.encode(part)]
        return tokens
