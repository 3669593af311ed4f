"""What the network reads, made of audio and words; and passes over several, in which a failure stays alone."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import logging
from collections.abc import Sequence

import numpy as np
import torch

from speech_service.engines.qwen3.aligner.network import AlignerNetwork, Passage
from speech_service.engines.qwen3.aligner.pieces import AlignerPiece
from speech_service.engines.qwen3.tokenizer import QwenTokenizer
from speech_service.engines.runtimes.torch import raise_if_lost

logger = logging.getLogger(__name__)

TIMESTAMP = "<timestamp>"
_LEAST_SAMPLES = 800
"""Shorter audio is filled up with silence: the features need some."""


class PassageMaker:
    """Writes the aligner's prompt: the audio, then each word with a mark for its start and one for its end."""

    def __init__(self, network: AlignerNetwork, tokenizer: QwenTokenizer) -> None:
        self._network = network
        self._tokenizer = tokenizer
        self._head = (tokenizer.token("<|audio_start|>"),)
        self._audio_end = tokenizer.token("<|audio_end|>")
        self._marks = [tokenizer.token(TIMESTAMP)] * 2

    def make(self, reading: AlignerPiece) -> Passage:
        """Features and ids of one reading."""
        samples = reading.samples
        if len(samples) < _LEAST_SAMPLES:
            samples = np.pad(samples, (0, _LEAST_SAMPLES - len(samples)))
        tail = [self._audio_end]
        for word in reading.words:
            tail += [*self._tokenizer.encode(word), *self._marks]
        mel = self._network.mel(torch.from_numpy(np.array(samples, np.float32)))
        return Passage(mel, self._head, tuple(tail))


def read(network: AlignerNetwork, passages: Sequence[Passage]) -> list[list[int] | None]:
    """Classes of each passage, all in one pass; where that raises, the halves are tried down to the one at fault.

    None stands for a passage that failed or whose numbers are not finite.
    """
    if not passages:
        return []
    try:
        return network.classes(passages)
    except RuntimeError as error:  # torch.OutOfMemoryError is one, too
        raise_if_lost(error)
        if len(passages) == 1:
            logger.exception("an alignment pass failed")
            return [None]
    half = len(passages) // 2
    return read(network, passages[:half]) + read(network, passages[half:])
