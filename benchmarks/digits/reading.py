"""Reads strings with a model in training: greedy, many strings together, no cache. The engine reads better and faster;
this needs nothing but the networks."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from benchmarks.digits.batches import features, heard_of
from benchmarks.digits.corpus import Samples
from benchmarks.digits.model import DigitsModel
from benchmarks.digits.tokens import Example, Prompter
from speech_service.engines.qwen3.encoder.mel import MelFloor

_TOGETHER = 32
_MOST_TOKENS = 32


def read(model: DigitsModel, prompter: Prompter, clips: Sequence[Samples]) -> list[list[int]]:
    """Answers to clips, as tokens without the last; clips are float32 [n] at 16 kHz, n at least 1600."""
    answers: list[list[int]] = [[] for _ in clips]
    order = np.argsort([len(clip) for clip in clips], kind="stable").tolist()
    for at in range(0, len(order), _TOGETHER):
        chosen = order[at : at + _TOGETHER]
        for index, answer in zip(
            chosen, _answers(model, prompter, [clips[i] for i in chosen]), strict=True
        ):
            answers[index] = answer
    return answers


@torch.inference_mode()
def _answers(model: DigitsModel, prompter: Prompter, clips: Sequence[Samples]) -> list[list[int]]:
    shape = model.encoder.shape
    mels = [features(clip, shape, MelFloor.PREFIX) for clip in clips]
    prompts = [prompter.prompt(shape.tokens(mel.shape[1])) for mel in mels]
    answers: list[list[int]] = [[] for _ in clips]
    open_rows = set(range(len(clips)))
    states: Tensor | None = None
    while open_rows and max(map(len, answers)) < _MOST_TOKENS:
        examples = [Example((*p, *a), 0) for p, a in zip(prompts, answers, strict=True)]
        heard = heard_of(mels, examples, prompter, shape)
        states = model.encode(heard) if states is None else states
        last = torch.tensor([len(example.ids) - 1 for example in examples])
        decoded = model.decode(heard, states)[torch.arange(len(clips)), last]
        following = model.logits(decoded).argmax(dim=-1).tolist()
        for row in sorted(open_rows):
            if following[row] == prompter.turn_end:
                open_rows.discard(row)
            else:
                answers[row].append(following[row])
    return answers
