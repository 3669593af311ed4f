"""Networks of released sizes whose tensors have shapes and no numbers: what passes of them launch can be counted."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from benchmarks import random_tts
from speech_service.engines.qwen3.asr.model import AsrModel
from speech_service.engines.qwen3.checkpoint.reading import open_checkpoint
from speech_service.engines.qwen3.codec.decoder import CodecDecoder
from speech_service.engines.qwen3.codec.shapes import CodecDecoderShape
from speech_service.engines.qwen3.nn.block import DecoderStack
from speech_service.engines.qwen3.nn.quantize import fp8_layer, int8_layer, replace_linears
from speech_service.engines.qwen3.nn.shapes import DecoderShape
from speech_service.engines.qwen3.tts.config import read_tts_config
from speech_service.engines.qwen3.tts.model import TtsModel
from speech_service.engines.qwen3.tts.predictor import CodePredictor
from speech_service.engines.qwen3.tts.talker import Talker
from speech_service.engines.runtimes.torch import Arrived, Body, Capture, Coming, as_it_is
from tests.unit.engines.qwen3.launches import CODEC_COUNTED, COUNTED, META

DECODER = DecoderShape(
    vocab_size=151_936,
    hidden_size=2048,
    ffn_size=6144,
    layers=28,
    heads=16,
    kv_heads=8,
    head_dim=128,
    rope_theta=1e6,
    rms_norm_eps=1e-6,
)
"""Of the recognizer and of the talker of 1.7 B."""
PREDICTOR = replace(DECODER, vocab_size=2048, hidden_size=1024, ffn_size=3072, layers=5)
_CODES = 2048
_DTYPE = torch.bfloat16


class Shapes:
    """Implements ``Device`` for the meta device."""

    where = META

    def stage(self, tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Its shape."""
        return tensor.to(META, dtype)

    def fetch(self, tensor: Tensor) -> Coming:
        """Nothing comes: there are no numbers."""
        return Arrived(tensor)

    def adopt(self, tensor: Tensor) -> Tensor:
        """The tensor itself."""
        return tensor

    def beside(self) -> "Shapes":
        """Itself."""
        return self

    def stream(self) -> AbstractContextManager[object]:
        """There is none."""
        return nullcontext()

    def synchronize(self) -> None:
        """Nothing is under way."""

    def graphs(self) -> Capture:
        """Nothing is captured."""
        return as_it_is


class Bodies:
    """Implements ``Capture``: keeps what would be captured, with examples of its arguments."""

    def __init__(self) -> None:
        self.taken: list[tuple[Body, Sequence[Tensor]]] = []

    def __call__(self, body: Body, examples: Sequence[Tensor]) -> Body:
        """Keep it."""
        self.taken.append((body, examples))
        return body

    def rows(self) -> list[int]:
        """Rows of what was taken, prompts left out (-1)."""
        return [len(given[0]) if len(given) == 3 else -1 for _, given in self.taken]


@cache
def recognizer(quantize: str = "none") -> AsrModel:
    """Give the decoder of 1.7 B; it has no encoder."""
    embed = _empty(DECODER.vocab_size, DECODER.hidden_size)
    head = nn.Linear(1, 1, bias=False, device=META)
    head.weight = nn.Parameter(embed, requires_grad=False)
    stack = _stack(DECODER, 4096, quantize)
    stack.freeze(COUNTED)
    return AsrModel(cast(Any, None), embed, stack, head)


@cache
def synthesizer(tiny: Path, quantize: str = "none") -> TtsModel:
    """Give the talker of 1.7 B and its predictor; they have no codec. ``tiny``: a checkpoint of any size."""
    config = read_tts_config(open_checkpoint(str(tiny), "qwen3_tts").files)
    config = replace(config, talker=DECODER, predictor=PREDICTOR)
    wide, narrow, text = DECODER.hidden_size, PREDICTOR.hidden_size, 2048
    shapes = {
        "model.text_embedding.weight": (151_936, text),
        "model.codec_embedding.weight": (3072, wide),
        "text_projection.linear_fc1.weight": (text, text),
        "text_projection.linear_fc1.bias": (text,),
        "text_projection.linear_fc2.weight": (wide, text),
        "text_projection.linear_fc2.bias": (wide,),
        "codec_head.weight": (3072, wide),
        "code_predictor.small_to_mtp_projection.weight": (narrow, wide),
        "code_predictor.small_to_mtp_projection.bias": (narrow,),
    }
    for book in range(config.codebooks - 1):
        shapes[f"code_predictor.lm_head.{book}.weight"] = (_CODES, narrow)
        shapes[f"code_predictor.model.codec_embedding.{book}.weight"] = (_CODES, wide)

    def tensors(name: str) -> Tensor:
        return _empty(*shapes[name.removeprefix("talker.")])

    talker = Talker(tensors, config, _stack(DECODER, 1024, quantize))
    stack = _stack(PREDICTOR, config.codebooks, quantize)
    predictor = CodePredictor(tensors, config.codebooks, stack)
    for network in (talker, predictor):
        network.requires_grad_(requires_grad=False)
        network.freeze(COUNTED)
    prompter = type("Prompter", (), {"pad": _empty(1, wide)})()
    nothing = cast(Any, None)
    return TtsModel(config, talker, predictor, nothing, nothing, cast(Any, prompter))


@cache
def codec(*, is_frozen: bool = True) -> CodecDecoder:
    """Give the decoder of the released codec, as a GPU computes it or as a CPU does."""
    _, (files, shapes) = random_tts.released("1.7b")
    shape = CodecDecoderShape.from_config(files["config.json"]["decoder_config"])
    decoder = CodecDecoder(lambda name: torch.empty(shapes[name], device=META), shape)
    decoder.requires_grad_(requires_grad=False)
    if is_frozen:
        decoder.freeze(CODEC_COUNTED)
    return decoder


def _stack(shape: DecoderShape, positions: int, quantize: str) -> DecoderStack:
    with META:
        stack = DecoderStack(shape, positions).to(_DTYPE).requires_grad_(requires_grad=False)
    quantise = {"fp8": fp8_layer, "int8": int8_layer}.get(quantize)
    if quantise is not None:
        for layer in stack.layers:
            replace_linears(layer, quantise)
    return stack


def _empty(*size: int) -> Tensor:
    return torch.empty(size, dtype=_DTYPE, device=META)
