"""One sequence while it runs, and the bounds that every sequence is held to."""

import itertools
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from speech_service.domain.audio import MODEL_RATE_HZ, samples_to_ms
from speech_service.domain.errors import LimitExceededError, SpeechError
from speech_service.domain.work import RecognizeWork, WorkTiming
from speech_service.engines.audio_checks import audio_problem
from speech_service.engines.decoding import accepted_count, is_looping
from speech_service.engines.qwen3.asr.reading import SegmentReading

_orders = itertools.count()
_REPEATED_TOKENS_PER_S = 6.0
"""Nobody repeats a phrase faster; measured of digits with a tenth of a second between them: 2 to 4."""


@dataclass(frozen=True, slots=True)
class AsrLimits:
    """Bounds of the engine and of each sequence."""

    max_running: int
    """Sequences that decode at once."""
    max_audio_ms: int
    """Longer work is refused."""
    window_samples: int
    """Samples of one encoder window."""
    windows_per_step: int
    """Windows that one step may encode, so that those who decode do not wait long."""
    prefill_tokens: int
    """Prompt tokens that one step may feed, likewise."""
    tokens_per_s: float
    """An answer longer than anyone speaks is cut off: the model has lost the thread."""
    spare_tokens: int
    """Tokens that even the shortest clip may have; the answer's header is among them."""
    max_proposed: int
    """Proposed tokens of one pass."""
    loop_tokens: int
    """An answer whose last so many tokens are one short group again and again is cut off; of longer audio, tokens for
    all of it at ``_REPEATED_TOKENS_PER_S``."""
    max_context_tokens: int
    """Longest head of a prompt: the context and what frames it."""

    def slot_tokens(self, tokens_per_window: int, tail: int) -> int:
        """Tokens that the longest sequence fills in its slot; what is proposed is part of its longest answer."""
        longest = self.max_audio_ms * MODEL_RATE_HZ // 1000
        audio = -(-longest // self.window_samples) * tokens_per_window
        return self.max_context_tokens + audio + tail + self.answer_tokens(longest)

    def answer_tokens(self, samples: int) -> int:
        """Longest answer to so much audio."""
        return self.spare_tokens + int(samples / MODEL_RATE_HZ * self.tokens_per_s)

    def repeated_tokens(self, samples: int) -> int:
        """As many tokens of repetitions are a loop: nobody says them in so much audio."""
        return max(self.loop_tokens, int(samples / MODEL_RATE_HZ * _REPEATED_TOKENS_PER_S))

    def windows(self, work: RecognizeWork) -> int:
        """Encoder windows of the work, if nothing of it is kept."""
        return -(-len(work.samples) // self.window_samples)

    def refusal(self, work: RecognizeWork, head: int) -> SpeechError | None:
        """Why the work, whose prompt has so many tokens before the audio, is not begun; None: it is fine."""
        if head > self.max_context_tokens:
            return LimitExceededError("context", "max_context_tokens", self.max_context_tokens)
        if samples_to_ms(len(work.samples)) > self.max_audio_ms:
            return LimitExceededError("audio", "max_audio_ms", self.max_audio_ms)
        return audio_problem(work.samples)


@dataclass(slots=True, eq=False)
class Running:
    """A sequence from its first prompt token to its last answer token."""

    work: RecognizeWork
    reading: SegmentReading
    max_tokens: int
    loop_tokens: int
    encode_s: float
    tokens: list[int] = field(default_factory=list[int])
    """The answer so far."""
    fed: int = 0
    """Tokens of the answer that the cache holds."""
    choosing: int = 0
    """Passes that have begun and choose its next tokens: two, where one is settled while the next one runs."""
    ended: bool = False
    is_cut_off: bool = False
    """It did not end by itself."""
    order: int = field(default_factory=lambda: next(_orders))
    begin_s: float = field(default_factory=time.perf_counter)
    steps: int = 0
    proposed: int = 0
    accepted: int = 0

    @property
    def will_end(self) -> bool:
        """Whether what is being chosen is its last token, whatever that is."""
        return len(self.tokens) + self.choosing >= self.max_tokens

    def settle(self, proposed: Sequence[int], chosen: Sequence[int], ends: Collection[int]) -> int:
        """Take what a pass chose behind the answer and behind each proposed token.

        Returns:
            how many of the proposed tokens were wrong: the cache has to forget them.
        """
        accepted = accepted_count(proposed, chosen)
        self.choosing -= 1
        self.steps += 1
        self.proposed += len(proposed)
        self.accepted += accepted
        self.fed = len(self.tokens) + accepted
        for token in (*proposed[:accepted], chosen[accepted]):
            if token in ends:
                self.ended = True
                break
            self.tokens.append(token)
            if len(self.tokens) >= self.max_tokens or is_looping(
                self.tokens, min_tokens=self.loop_tokens
            ):
                self.ended = self.is_cut_off = True
                break
        return len(proposed) - accepted

    def restarted(self) -> RecognizeWork:
        """The same work, with what was decoded so far as its draft."""
        return replace(self.work, draft_tokens=tuple(self.tokens) or self.work.draft_tokens)

    def timing(self) -> WorkTiming:
        """Where its time went."""
        decode_s = time.perf_counter() - self.begin_s
        return WorkTiming(
            encode_ms=self.encode_s * 1000,
            decode_ms=decode_s * 1000,
            decode_steps=self.steps,
            draft_proposed=self.proposed,
            draft_accepted=self.accepted,
        )
