"""Codes to samples, streaming: any chunking of the frames gives what one decode of the whole gives.

The decoder of Qwen3-TTS's 12.5 Hz tokenizer: residual vector quantisation with one semantic and 15 acoustic
codebooks, a transformer over the last 72 frames, two upsamplings and a vocoder; causal throughout.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math

import torch
from torch import Tensor, nn

from speech_service.engines.qwen3.codec.attention import WindowedTransformer
from speech_service.engines.qwen3.codec.codebooks import SummedCodebooks
from speech_service.engines.qwen3.codec.kernels import CodecKernels, codec_kernels_of
from speech_service.engines.qwen3.codec.shapes import CodecDecoderShape
from speech_service.engines.qwen3.codec.streaming import CausalConv, StateTape, StreamingLayer
from speech_service.engines.qwen3.codec.vocoder import LatentUpsampling, Snake, Vocoder
from speech_service.engines.qwen3.nn.block import Tensors


class CodecDecoder(nn.Module):
    """A pure function from codes and states to samples and states; batched over streams."""

    def __init__(self, tensors: Tensors, shape: CodecDecoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.codebooks = SummedCodebooks(tensors, "decoder.quantizer", shape)
        self.first = CausalConv(tensors, "decoder.pre_conv.conv")
        self.transformer = WindowedTransformer(tensors, "decoder.pre_transformer", shape)
        self.upsampling = nn.ModuleList(
            LatentUpsampling(tensors, f"decoder.upsample.{index}", rate)
            for index, rate in enumerate(shape.latent_rates)
        )
        self.vocoder = Vocoder(tensors, "decoder.decoder", shape.sample_rates)
        self.state_shapes = tuple(
            state
            for layer in self.modules()
            if isinstance(layer, StreamingLayer)
            for state in layer.state_shapes
        )

    def freeze(self, kernels: CodecKernels | None = None) -> None:
        """Compute as a GPU does: few kernels, and convolutions in TF32. No later change of weights is seen.

        ``kernels`` are a GPU's; None: the fastest.

        Raises:
            ConfigError: it is on a GPU, and Triton is not installed.
        """
        kernels = kernels or codec_kernels_of(self.device)
        self.transformer.freeze(kernels)
        for layer in self.modules():
            if isinstance(layer, Snake):
                layer.kernel = kernels.snake
            elif isinstance(layer, StreamingLayer):
                layer.is_rounded = True

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Numbers in each part of one stream's state."""
        return tuple(math.prod(shape) for shape in self.state_shapes)

    @property
    def state_size(self) -> int:
        """Numbers in one stream's state."""
        return sum(self.state_sizes)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.codebooks.vectors.device

    @property
    def dtype(self) -> torch.dtype:
        """Of states and samples."""
        return self.codebooks.vectors.dtype

    def forward(self, codes: Tensor, states: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Decode the next n frames of each stream.

        Args:
            codes: int64 [streams, n, codebooks].
            states: [streams, state_size]; zeros at a stream's start.
            positions: int64 [streams], frames that each stream had before.

        Returns:
            Samples [streams, n * frame_samples] within [-1, 1] and the states after them.
        """
        tape = StateTape(states, self.state_shapes)
        x = self.first(self.codebooks(codes), tape)
        x = self.transformer(x.transpose(1, 2), positions, tape).transpose(1, 2)
        for block in self.upsampling:
            x = block(x, tape)
        samples = self.vocoder(x, tape)
        return samples, tape.rows()
