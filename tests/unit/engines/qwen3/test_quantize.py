"""Eight-bit linear layers."""

import pytest
import torch
from torch import Tensor, nn

from speech_service.config.tree import ConfigError
from speech_service.engines.qwen3.nn.quantize import (
    FbgemmInt8Linear,
    InputRecorder,
    Int8Linear,
    Int8WeightLinear,
    PackedInt8WeightLinear,
    layer_errors,
    linears,
    quantiser,
    replace_linears,
)

has_fbgemm = pytest.mark.skipif(
    "fbgemm" not in torch.backends.quantized.supported_engines, reason="no x86 CPU"
)
W8A8 = [Int8Linear, pytest.param(FbgemmInt8Linear, marks=has_fbgemm)]


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


@pytest.mark.parametrize("layer", [*W8A8, Int8WeightLinear])
def test_eight_bits_are_within_a_few_per_cent(layer: type[nn.Module]) -> None:
    weight, tokens = weight_and_inputs()
    assert error(layer(weight), weight, tokens) < 0.02


def test_the_packed_kernel_equals_its_definition() -> None:
    weight, tokens = (each.bfloat16() for each in weight_and_inputs())
    packed, plain = PackedInt8WeightLinear(weight), Int8WeightLinear(weight)
    assert torch.allclose(packed(tokens).float(), plain(tokens).float(), rtol=0.02, atol=0.05)


@pytest.mark.parametrize("made", W8A8)
def test_a_token_of_w8a8_does_not_depend_on_its_batch(made: type[Int8Linear]) -> None:
    weight, tokens = weight_and_inputs()
    layer = made(weight)
    together = layer(tokens)
    for row in range(len(tokens)):
        assert torch.equal(layer(tokens[row : row + 1])[0], together[row])


@pytest.mark.parametrize("made", W8A8)
@pytest.mark.parametrize("rows", [1, 2, 5, 40])
def test_products_are_exact_at_the_ends_of_the_range(made: type[Int8Linear], rows: int) -> None:
    """Whole numbers are their own eight bits, so that what saturates on the way would be seen."""
    top = made.weight_top
    signs = torch.where(torch.arange(33 * 256).reshape(33, 256) % 3 == 0, -1.0, 1.0)
    weight = top * signs
    tokens = 127.0 * torch.where(torch.arange(rows * 256).reshape(rows, 256) % 5 == 0, -1.0, 1.0)
    tokens[0] = 127.0
    assert torch.equal(made(weight)(tokens), tokens @ weight.T)
    assert torch.equal(
        made(top * torch.ones(33, 256))(tokens), tokens.sum(1, True) * top * torch.ones(33)
    )


@pytest.mark.parametrize("made", W8A8)
def test_smoothing_helps_where_a_channel_is_larger_than_the_others(made: type[Int8Linear]) -> None:
    weight, tokens = weight_and_inputs(outlier=50.0)
    peaks = tokens.abs().amax(dim=0)
    rough = error(made(weight), weight, tokens)
    assert error(made(weight, peaks), weight, tokens) < rough / 2


@pytest.mark.parametrize("made", W8A8)
def test_tokens_of_zeros_stay_zeros(made: type[Int8Linear]) -> None:
    weight, _ = weight_and_inputs()
    assert torch.equal(made(weight)(torch.zeros(2, 128)), torch.zeros(2, 96))


@has_fbgemm
@pytest.mark.parametrize("has_vnni", [True, False])
def test_a_cpu_gets_the_product_that_is_fast_on_it(
    has_vnni: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_vnni": has_vnni})
    quantise = quantiser("int8", torch.float32, "cpu")
    assert quantise is not None
    layer = quantise("layer", nn.Linear(8, 4, bias=False))
    assert type(layer) is (Int8Linear if has_vnni else FbgemmInt8Linear)


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
