"""First frames that nobody hears: kernels are chosen and graphs captured before a request waits for it."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence

import torch

from speech_service.engines.qwen3.codec.streams import CodecStreams
from speech_service.engines.qwen3.tts.generator import FrameGenerator
from speech_service.engines.qwen3.tts.model import TtsModel
from speech_service.engines.qwen3.tts.prompt import TtsPrompt
from speech_service.engines.qwen3.tts.sampling_rules import Sampling

_FRAMES = 2
"""The first is that of a prompt, the second is like all others."""


def warm_up(
    model: TtsModel,
    generator: FrameGenerator,
    codec: CodecStreams,
    sampling: Sampling,
    prompts: Sequence[int],
    chunks: Sequence[int],
) -> None:
    """Speak frames of padding, and leave nothing behind.

    Args:
        model: of the generator.
        generator: with room for a stream.
        codec: with room for a stream.
        sampling: how requests will be spoken.
        prompts: tokens of the prompts; none: nothing is done.
        chunks: frames that are decoded at once.
    """
    pad = model.prompter.pad
    for tokens in prompts:
        slot = generator.open(TtsPrompt(pad.expand(tokens, -1), pad[:0]), sampling)
        for _ in range(_FRAMES):
            generator.step()
        generator.close(slot)
    if not prompts:
        return
    slot = codec.open()
    for frames in sorted(set(chunks)):
        silence = torch.zeros(frames, model.config.codebooks, dtype=torch.int64)
        codec.decode({slot: silence.to(model.device)})
    codec.close(slot)
