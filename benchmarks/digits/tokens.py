"""A small tokenizer in the release's format, and the release's prompt around digits.

Byte-level BPE (Sennrich et al. 2016) with the release's splitting rule and its special tokens, trained on the few
words that the models ever say; what it has not seen falls apart into bytes.
"""

from dataclasses import dataclass

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from benchmarks.digits import DIGITS

AUDIO_START, AUDIO_END, AUDIO_PAD = "<|audio_start|>", "<|audio_end|>", "<|audio_pad|>"
TURN_START, TURN_END, PADDING = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
ANSWER = "<asr_text>"
CONTEXT_WORDS = ("account", "number", "please", "code", "digits", "order", "flight", "platform")
"""Hints that a training prompt may hold. They have nothing to do with what is said."""
_VOCABULARY = 448
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIAL = (
    PADDING,
    TURN_START,
    TURN_END,
    AUDIO_START,
    AUDIO_END,
    AUDIO_PAD,
)
"""Left out when tokens become text."""
MARKERS = (ANSWER, "<timestamp>")
"""Kept when tokens become text: what an answer is parsed by."""


def build() -> Tokenizer:
    """Train the tokenizer; always the same one."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_sentences(), trainer)
    tokenizer.add_special_tokens(
        [AddedToken(name, special=True, normalized=False) for name in SPECIAL]
    )
    tokenizer.add_tokens([AddedToken(name, special=False, normalized=False) for name in MARKERS])
    return tokenizer


def _sentences() -> list[str]:
    turns = ["system\n", "user\n", "assistant\n"]
    answers = ["language English", "language None"]
    words = [*DIGITS, *CONTEXT_WORDS]
    return 9 * [*turns, *answers, *words, *(f" {word}" for word in words)]


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of a prompt with its answer; ``learnt`` of them, at the end, are the model's to say."""

    ids: tuple[int, ...]
    learnt: int


class Prompter:
    """Writes prompts as the release has them."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.audio_pad = self.id_of(AUDIO_PAD)
        self.turn_end = self.id_of(TURN_END)
        self.padding = self.id_of(PADDING)

    def id_of(self, token: str) -> int:
        """Id of a special token."""
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"the tokenizer has no {token}")
        return found

    def ids(self, text: str) -> list[int]:
        """Plain tokens of a text."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def text(self, ids: list[int]) -> str:
        """What tokens say, markers and all."""
        return self._tokenizer.decode(ids, skip_special_tokens=True)

    def prompt(self, audio_tokens: int, context: str = "", language: str = "") -> list[int]:
        """Everything before the answer; a ``language`` leaves only the text to say."""
        ids = self.ids(f"{TURN_START}system\n{context}{TURN_END}\n{TURN_START}user\n{AUDIO_START}")
        ids += [self.audio_pad] * audio_tokens
        ids += self.ids(f"{AUDIO_END}{TURN_END}\n{TURN_START}assistant\n")
        return ids + (self.ids(f"language {language}{ANSWER}") if language else [])

    def example(
        self, audio_tokens: int, text: str, context: str = "", language: str = ""
    ) -> Example:
        """A prompt and the answer that is right for it."""
        prompt = self.prompt(audio_tokens, context, language)
        heard = "English" if text else "None"
        answer = self.ids((text if language else f"language {heard}{ANSWER}{text}") + TURN_END)
        return Example((*prompt, *answer), len(answer))
