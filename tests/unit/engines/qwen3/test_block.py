"""The decoder stack: freezing makes it faster and changes no more than the last bits."""

import pytest
import torch

from speech_service.engines.qwen3.nn.attention import SpanPlan, TokenSpan
from speech_service.engines.qwen3.nn.block import DecoderStack
from speech_service.engines.qwen3.nn.kv_cache import KvCache
from speech_service.engines.qwen3.nn.quantize import quantiser, replace_linears
from speech_service.engines.qwen3.nn.shapes import DecoderShape

SHAPE = DecoderShape(
    vocab_size=64,
    hidden_size=32,
    ffn_size=48,
    layers=2,
    heads=4,
    kv_heads=2,
    head_dim=16,
    rope_theta=10_000.0,
    rms_norm_eps=1e-6,
)


@pytest.fixture
def stack() -> DecoderStack:
    torch.manual_seed(0)
    made = DecoderStack(SHAPE, 32)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(mean=float(parameter.dim() == 1), std=0.3)
    return made.requires_grad_(False)


def states(stack: DecoderStack) -> torch.Tensor:
    cache = KvCache(SHAPE, 2, 16, torch.float32, torch.device("cpu"))
    spans = [TokenSpan(slot, 0, count) for count in (5, 3) if (slot := cache.alloc()) is not None]
    fed = torch.randn(8, SHAPE.hidden_size, generator=torch.Generator().manual_seed(1))
    return stack(fed, SpanPlan(cache, spans))


@pytest.mark.parametrize("method", ["none", "int8"])
def test_a_frozen_stack_gives_the_same_states(stack: DecoderStack, method: str) -> None:
    quantise = quantiser(method, torch.float32, "cpu")
    if quantise is not None:
        replace_linears(stack, quantise)
    before = states(stack)
    stack.freeze()
    # Products of a transposed weight are summed in another order.
    torch.testing.assert_close(states(stack), before, rtol=0, atol=1e-5)


def test_freezing_takes_the_layers_as_they_are_then(stack: DecoderStack) -> None:
    quantise = quantiser("int8", torch.float32, "cpu")
    assert quantise is not None
    stack.freeze()
    whole = states(stack)
    replace_linears(stack, quantise)
    assert torch.equal(states(stack), whole)
    stack.freeze()
    assert not torch.equal(states(stack), whole)


def test_norms_are_those_of_the_formula(stack: DecoderStack) -> None:
    x = torch.randn(3, SHAPE.hidden_size, generator=torch.Generator().manual_seed(2))
    root = (x.double().square().mean(dim=-1, keepdim=True) + SHAPE.rms_norm_eps).sqrt()
    expected = x.double() / root * stack.norm.weight.double()
    assert torch.allclose(stack.norm(x).double(), expected, rtol=0, atol=1e-5)


def test_one_row_gives_the_same_bits_alone_and_among_others(stack: DecoderStack) -> None:
    x = torch.randn(7, SHAPE.hidden_size, generator=torch.Generator().manual_seed(3))
    assert torch.equal(stack.norm(x)[4:5], stack.norm(x[4:5]))
