"""A forced aligner that counts: mark number ``k`` of the text gets class ``k``, whatever the audio.

Its weights are written down, not drawn. It is a whole model in the release's format whose answer is known: word ``i``
lasts from 80 * (2i + 1) ms to 80 * (2i + 2) ms.

How: attention looks only at ``<|audio_start|>``, which every prompt has once, and at the ``<timestamp>`` marks so far,
in equal parts, and reads who is the former. At mark ``k`` that gives 1 / (1 + k), from which the head chooses a class.
"""

from pathlib import Path

import torch
from torch import Tensor

from tests.qwen_tiny import asr
from tests.qwen_tiny.checkpoints import FLOAT32, Checkpoint, write_checkpoint
from tests.qwen_tiny.folder import aligner_checkpoint, vocabulary
from tests.qwen_tiny.vocabulary import write_vocabulary

# What the coordinates of a state mean.
ONE, LOOKED_AT, SHARE, FIRST = range(4)
# The coordinate of a head that rotary positions turn least.
STILL = asr.HEAD_DIM // 2 - 1


def counting_tensors() -> dict[str, Tensor]:
    """Give the float32 tensors."""
    tensors = {
        name: torch.zeros_like(value) for name, value in aligner_checkpoint().tensors.items()
    }
    for name, value in tensors.items():
        if name.endswith(("norm.weight", "layernorm.weight")):
            value.fill_(1.0)
    tensors["thinker.audio_tower.proj2.bias"][ONE] = 1.0
    added = vocabulary().added
    embedding = tensors["thinker.model.embed_tokens.weight"]
    embedding[:, ONE] = 1.0
    embedding[added["<timestamp>"], LOOKED_AT] = 1.0
    embedding[added["<|audio_start|>"], [LOOKED_AT, FIRST]] = 1.0
    attention = "thinker.model.layers.0.self_attn."
    tensors[attention + "q_proj.weight"][STILL, ONE] = 1.0
    tensors[attention + "k_proj.weight"][STILL, LOOKED_AT] = 1.0
    tensors[attention + "q_norm.weight"].fill_(4.0)  # what is not looked at counts for nothing
    tensors[attention + "v_proj.weight"][0, FIRST] = 1.0
    # The norm before has made the 1 of FIRST, one of three among WIDTH coordinates, this much larger.
    scale = (asr.WIDTH / 3) ** 0.5
    tensors[attention + "o_proj.weight"][SHARE, 0] = 1.0 / scale
    # The class whose share is nearest has the highest of these: 2sx - s^2 = x^2 - (x - s)^2.
    shares = 1.0 / (1.0 + torch.arange(asr.TIME_CLASSES, dtype=torch.float64))
    head = tensors["thinker.lm_head.weight"]
    head[:, SHARE] = (2.0 * shares).float()
    head[:, ONE] = -shares.square().float()
    return tensors


def write_counting_aligner(folder: Path) -> Path:
    """Write the model; give its folder."""
    files = aligner_checkpoint().files
    write_checkpoint(Checkpoint(files, counting_tensors()), folder, FLOAT32)
    write_vocabulary(vocabulary(), folder)
    return folder
