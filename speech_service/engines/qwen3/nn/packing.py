"""Layers prepared for the processor that computes them.

A weight as a checkpoint holds it is put into another order for every product, in blocks that a core's registers hold.
For a few tokens this costs more than the product. oneDNN (https://uxlfoundation.github.io/oneDNN) can keep the order;
a small weight is better off transposed, as its products last shorter than oneDNN's preparations.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm
from torch.nn.functional import linear, rms_norm

from speech_service.engines.qwen3.nn.quantize import replace_linears

Map = Callable[[Tensor], Tensor]
"""[..., in] -> [..., out]."""

LEAST_PACKED = 1 << 18
"""Numbers in the smallest weight that is packed."""


class PackedLinear(nn.Module):
    """A linear layer of the CPU whose weight is kept in oneDNN's order. It cannot move, be saved or be compiled."""

    def __init__(self, part: nn.Linear) -> None:
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(part.weight.detach())
        self._bias = _bias(part)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out], in the dtype of the weight."""
        return torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")


def pack_linears(module: nn.Module) -> None:
    """Pack the large linear layers inside ``module``, where this machine can. Weights are freed one by one."""
    replace_linears(module, lambda _, part: PackedLinear(part) if _is_packable(part) else part)


def quick(module: nn.Module) -> Map:
    """What computes a layer whose weight will not change and that has no hooks."""
    if type(module) is not nn.Linear or _bias(module) is not None:
        return module.forward
    weight = module.weight
    if weight.device.type != "cpu" or weight.numel() >= LEAST_PACKED:
        return partial(linear, weight=weight)
    return partial(torch.mm, mat2=weight.detach().T.contiguous())


def norm(weight: Tensor, eps: float) -> Map:
    """Root mean square normalisation (Zhang and Sennrich 2019) over the last dimension, times ``weight`` [..., d]."""
    width = weight.shape[-1:]
    if weight.dim() == 1:
        return partial(rms_norm, normalized_shape=width, weight=weight, eps=eps)
    return lambda x: rms_norm(x, width, None, eps) * weight


def quick_norm(weight: Tensor, eps: float) -> Map:
    """The same for a weight that will not change. On the CPU, torch's own takes twice as many steps."""
    if weight.device.type != "cpu":
        return norm(weight, eps)
    width, dtype = weight.shape[-1], weight.dtype
    scale = weight.detach().float() * math.sqrt(width)
    least = torch.tensor(math.sqrt(width * eps))

    def normed(x: Tensor) -> Tensor:
        length = vector_norm(x, 2, -1, True, dtype=torch.float32).hypot_(least)
        return (x / length).mul_(scale).to(dtype)

    return normed


def _bias(part: nn.Linear) -> Tensor | None:
    bias = cast(Tensor | None, part.bias)  # torch declares that there always is one
    return None if bias is None else bias.detach()


def _is_packable(part: nn.Linear) -> bool:
    weight = part.weight
    if weight.device.type != "cpu" or weight.numel() < LEAST_PACKED:
        return False
    if not torch.backends.mkldnn.is_available():
        return False
    if weight.dtype is torch.bfloat16:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return weight.dtype is torch.float32
