"""The talker's prompt: how the release lays text, language, voice and reference out as embeddings.

Every position carries the sum of a text token and a codec token. The text is given whole before the first frame, or
one token with each frame.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from speech_service.engines.qwen3.tokenizer import QwenTokenizer
from speech_service.engines.qwen3.tts.config import ControlIds, TtsConfig
from speech_service.engines.qwen3.tts.predictor import CodePredictor
from speech_service.engines.qwen3.tts.talker import Talker
from speech_service.engines.runtimes.torch import HOST, Device, staged

AUTO = ""
_CHINESE = "chinese"
_ROLE_TOKENS = 3
_BEHIND_TURN = 2
_BEHIND_TEXT = 5
"""Tokens before and behind what is said. The release counts, where it could look for the control tokens."""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A voice taken from a recording.

    ``embedding`` is [hidden], of the speaker. With ``codes``, int64 [frames, codebooks], and the ``transcript``
    the voice goes on speaking where the recording ends; without, only its timbre is kept.
    """

    embedding: Tensor
    codes: Tensor | None = None
    transcript: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """What is to be said, by whom and how. Languages and speakers have the release's names; empty: none is named."""

    text: str
    language: str = AUTO
    speaker: str = ""
    instruct: str = ""
    reference: Reference | None = None
    whole_text: bool = True
    """False gives the talker one text token with each frame, as the release does for cloned voices."""


@dataclass(frozen=True, slots=True, eq=False)
class TtsPrompt:
    """Embeddings [n, hidden] to begin with, and those [m, hidden] to be added to the first m frames' codes."""

    prefill: Tensor
    following: Tensor


class TtsPrompter:
    """Makes prompts for one checkpoint."""

    def __init__(
        self,
        config: TtsConfig,
        tokenizer: QwenTokenizer,
        talker: Talker,
        predictor: CodePredictor,
        device: Device = HOST,
    ) -> None:
        self._device = device
        self._config = config
        self._encode = tokenizer.encode
        self._talker = talker
        self._predictor = predictor
        self._start = tokenizer.token("<|im_start|>")
        self._end = tokenizer.token("<|im_end|>")
        ids: ControlIds = config.ids
        for name, id_ in (
            ("<tts_pad>", ids.text_pad),
            ("<tts_text_bos>", ids.text_bos),
            ("<tts_text_eod>", ids.text_eos),
        ):
            tokenizer.token(name, id_)
        (fixed,) = staged(device, [ids.text_pad, ids.text_bos, ids.text_eos])
        self.pad, self._bos, self._eos = talker.text(fixed).split(1)

    def text_tokens(self, text: str) -> list[int]:
        """Ids of a text without space around it; whatever it says, it closes no turn."""
        return self._encode(text.strip())

    def _turns(self, text: str) -> list[int]:
        """An assistant's turn that says the text, and the beginning of the next one."""
        return [*self._turn(text), self._start, *self._encode("assistant\n")]

    def _turn(self, text: str) -> list[int]:
        spoken = self._encode(f"assistant\n{text.strip()}")
        return [self._start, *spoken, self._end, *self._encode("\n")]

    def prompt(self, utterance: Utterance) -> TtsPrompt:
        """Lay one utterance out. Its text has a token at least."""
        ids, reference = self._config.ids, utterance.reference
        turns = self._turns(utterance.text)
        role, spoken = turns[:_ROLE_TOKENS], turns[_ROLE_TOKENS:-_BEHIND_TEXT]
        codes = None if reference is None else reference.codes
        if reference is not None and codes is not None:
            before = self._turn(reference.transcript)[_ROLE_TOKENS:-_BEHIND_TURN]
            spoken = before + spoken
        texts = (self._instruction(utterance.instruct), role, spoken)
        (instruction, role_rows, spoken_rows), (control, speaker, pad, bos) = self._embedded(
            texts,
            (self._control(utterance), self._speaker(utterance), [ids.codec_pad], [ids.codec_bos]),
        )
        if reference is not None:
            speaker = reference.embedding[None].to(self.pad)
        opening = torch.cat([control, speaker, pad])
        start = torch.cat([self.pad.expand(len(opening) - 1, -1), self._bos]) + opening
        begin = bos if codes is None else torch.cat([bos, self._frames(codes)])
        words = torch.cat([spoken_rows, self._eos])
        head = [instruction, role_rows, start]
        if utterance.whole_text:
            return TtsPrompt(torch.cat([*head, words + pad, begin + self.pad]), words[:0])
        now = words[: len(begin)]
        now = torch.cat([now, self.pad.expand(len(begin) - len(now), -1)])
        return TtsPrompt(torch.cat([*head, now + begin]), words[len(begin) :])

    def _embedded(
        self, texts: Sequence[list[int]], codes: Sequence[list[int]]
    ) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """Rows of text tokens and of control ids and codes; all ids go to the device in one copy."""
        counts = [len(part) for part in texts], [len(part) for part in codes]
        all_texts, all_codes = staged(self._device, list(chain(*texts)), list(chain(*codes)))
        rows = self._talker.text(all_texts), self._talker.codes(all_codes)
        return rows[0].split(counts[0]), rows[1].split(counts[1])

    def _instruction(self, instruct: str) -> list[int]:
        """A user's turn that says how to speak; empty where nothing is said."""
        said = instruct.strip()
        if not said:
            return []
        return [self._start, *self._encode(f"user\n{said}"), self._end, *self._encode("\n")]

    def _control(self, utterance: Utterance) -> list[int]:
        """What says the language, at the prompt's opening."""
        ids = self._config.ids
        language = self._language_id(utterance)
        if language is None:
            return [ids.no_think, ids.think_bos, ids.think_eos]
        return [ids.think, ids.think_bos, language, ids.think_eos]

    def _speaker(self, utterance: Utterance) -> list[int]:
        """Who of the checkpoint speaks; empty: nobody, or the voice of a recording."""
        if utterance.reference is not None or not utterance.speaker:
            return []
        return [self._config.speakers[utterance.speaker]]

    def _language_id(self, utterance: Utterance) -> int | None:
        config = self._config
        dialect = config.dialects.get(utterance.speaker)
        if dialect is not None and utterance.language in (AUTO, _CHINESE):
            return config.languages[dialect]
        return config.languages[utterance.language] if utterance.language else None

    def _frames(self, codes: Tensor) -> Tensor:
        """Embedded frames of known codes: int64 [n, codebooks] -> [n, hidden]."""
        return self._talker.codes(codes[:, 0]) + self._predictor.embed(codes[:, 1:])
