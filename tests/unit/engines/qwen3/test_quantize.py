"""Eight-bit linear layers."""

import pytest
import torch
from torch import Tensor, nn

from speech_service.config.tree import ConfigError
from speech_service.engines.qwen3.nn.quantize import (
    InputRecorder,
    Int8Linear,
    Int8WeightLinear,
    PackedInt8WeightLinear,
    layer_errors,
    linears,
    quantiser,
    replace_linears,
)


def weight_and_inputs(outlier: float = 1.0) -> tuple[Tensor, Tensor]:
    """Make a weight [96, 128] and tokens [9, 128]; one channel of the tokens is larger than the others."""
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(96, 128, generator=generator)
    tokens = torch.randn(9, 128, generator=generator)
    tokens[:, 3] *= outlier
    return weight, tokens


def error(layer: nn.Module, weight: Tensor, tokens: Tensor) -> float:
    """Give the relative root mean square error."""
    exact = tokens.float() @ weight.float().T
    return float((layer(tokens).float() - exact).norm() / exact.norm())


@pytest.mark.parametrize("layer", [Int8Linear, Int8WeightLinear])
def test_eight_bits_are_within_a_few_per_cent(layer: type[nn.Module]) -> None:
    weight, tokens = weight_and_inputs()
    assert error(layer(weight), weight, tokens) < 0.02


def test_the_packed_kernel_equals_its_definition() -> None:
    weight, tokens = (each.bfloat16() for each in weight_and_inputs())
    packed, plain = PackedInt8WeightLinear(weight), Int8WeightLinear(weight)
    assert torch.allclose(packed(tokens).float(), plain(tokens).float(), rtol=0.02, atol=0.05)


def test_a_token_of_w8a8_does_not_depend_on_its_batch() -> None:
    weight, tokens = weight_and_inputs()
    layer = Int8Linear(weight)
    together = layer(tokens)
    for row in range(len(tokens)):
        assert torch.equal(layer(tokens[row : row + 1])[0], together[row])


def test_smoothing_helps_where_a_channel_is_larger_than_the_others() -> None:
    weight, tokens = weight_and_inputs(outlier=50.0)
    peaks = tokens.abs().amax(dim=0)
    rough = error(Int8Linear(weight), weight, tokens)
    assert error(Int8Linear(weight, peaks), weight, tokens) < rough / 2


def test_tokens_of_zeros_stay_zeros() -> None:
    weight, _ = weight_and_inputs()
    assert torch.equal(Int8Linear(weight)(torch.zeros(2, 128)), torch.zeros(2, 96))


def test_all_layers_are_replaced_and_the_report_names_each() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(32, 48, bias=False), nn.SiLU(), nn.Linear(48, 8, bias=False))
    tokens = torch.randn(20, 32)
    exact = network(tokens)
    quantise = quantiser("int8", torch.float32, "cpu")
    assert quantise is not None
    with InputRecorder(network, rows=12) as recorder:
        network(tokens[:10])
        network(tokens[10:])
    errors = layer_errors(network, quantise, recorder.inputs)
    assert [each.name for each in errors] == ["0", "2"]
    assert all(0 < each.relative_rms < 0.02 for each in errors)
    assert torch.equal(recorder.inputs["0"], tokens[:12])
    assert torch.equal(recorder.peaks["0"], tokens.abs().amax(dim=0))
    replace_linears(network, quantise)
    assert not list(linears(network))
    assert torch.allclose(network(tokens), exact, atol=0.05)


def test_fp8_without_a_gpu_is_refused_at_start() -> None:
    with pytest.raises(ConfigError, match='quantize: "fp8" needs an NVIDIA GPU'):
        quantiser("fp8", torch.bfloat16, "cpu")


def test_none_replaces_nothing() -> None:
    assert quantiser("none", torch.float32, "cpu") is None
