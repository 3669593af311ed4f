"""Packed layers give what the layers gave."""

import pytest
import torch
from torch import nn

from speech_service.engines.qwen3.nn.packing import (
    LEAST_PACKED,
    PackedLinear,
    norm,
    pack_linears,
    quick,
    quick_norm,
)

LARGE = (512, LEAST_PACKED // 512)
SMALL = (48, 32)
EPS = 1e-6


def layer(
    size: tuple[int, int], dtype: torch.dtype = torch.float32, bias: bool = False
) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(size[0], size[1], bias=bias).to(dtype).requires_grad_(False)


def given(part: nn.Linear, *rows: int) -> torch.Tensor:
    return torch.randn(*rows, part.in_features, dtype=part.weight.dtype)


@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rows", [(1,), (5,), (130,), (2, 3)])
def test_a_packed_layer_gives_the_same(
    dtype: torch.dtype, within: float, bias: bool, rows: tuple[int, ...]
) -> None:
    part = layer(LARGE, dtype, bias)
    x = given(part, *rows)
    packed = nn.Sequential(part)
    pack_linears(packed)
    assert packed(x).dtype is dtype
    torch.testing.assert_close(packed(x), part(x), rtol=within, atol=within)


def test_large_layers_are_packed_wherever_they_are_and_small_ones_are_not() -> None:
    network = nn.ModuleDict({"in": layer(SMALL), "deep": nn.Sequential(layer(LARGE), nn.ReLU())})
    pack_linears(network)
    kinds = [type(part) for part in network.modules() if not list(part.children())]
    assert kinds == [nn.Linear, PackedLinear, nn.ReLU]


def test_types_without_a_kernel_stay_as_they_are() -> None:
    network = nn.Sequential(layer(LARGE, torch.float64))
    pack_linears(network)
    assert type(network[0]) is nn.Linear


@pytest.mark.parametrize("rows", [1, 7])
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_the_quick_way_gives_the_same(size: tuple[int, int], rows: int) -> None:
    part = layer(size)
    x = given(part, rows)
    torch.testing.assert_close(quick(part)(x), part(x), rtol=1e-5, atol=1e-5)


def test_there_is_no_quicker_way_for_other_layers() -> None:
    for other in (layer(SMALL, bias=True), nn.ReLU()):
        assert quick(other) == other.forward


@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("shape", [(32,), (5, 16)])
@pytest.mark.parametrize("size", [0.0, 1e-6, 1.0, 1e4])
def test_the_quick_norm_is_that_of_the_formula(
    dtype: torch.dtype, within: float, shape: tuple[int, ...], size: float
) -> None:
    torch.manual_seed(0)
    weight = torch.randn(shape).to(dtype)
    x = (torch.randn(7, *shape) * size).to(dtype)
    root = (x.double().square().mean(dim=-1, keepdim=True) + EPS).sqrt()
    expected = x.double() / root * weight.double()
    for made in (norm(weight, EPS)(x), quick_norm(weight, EPS)(x)):
        assert made.dtype is dtype
        torch.testing.assert_close(made.double(), expected, rtol=within, atol=within)


def test_the_quick_norm_gives_a_row_the_same_bits_alone_and_among_others() -> None:
    x = torch.randn(7, 32)
    normed = quick_norm(torch.randn(32), EPS)
    assert torch.equal(normed(x)[4:5], normed(x[4:5]))
