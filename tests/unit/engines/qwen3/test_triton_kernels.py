"""The kernels of a GPU give what the same functions in plain torch give. Without a GPU Triton interprets them."""

import os
from typing import Any

import pytest
import torch
from torch import Tensor

from speech_service.engines.qwen3.codec.decoder import CodecDecoder
from speech_service.engines.qwen3.codec.kernels import PLAIN as CODEC_PLAIN
from speech_service.engines.qwen3.codec.kernels import CodecKernels
from speech_service.engines.qwen3.codec.shapes import CodecDecoderShape
from speech_service.engines.qwen3.nn.attention import (
    RowsPlan,
    TokenRows,
    TokenSpan,
    gathered_attention,
)
from speech_service.engines.qwen3.nn.block import DecoderStack
from speech_service.engines.qwen3.nn.captured import PassSize, pass_table, table_rows
from speech_service.engines.qwen3.nn.kernels import PLAIN, Heads, Kernels
from speech_service.engines.qwen3.nn.kv_cache import KvCache
from speech_service.engines.qwen3.nn.quantize import (
    FP8,
    IntProducts,
    RowFormat,
    int8_layer,
    replace_linears,
)
from speech_service.engines.qwen3.tts.sampling import Rule, Rules
from speech_service.engines.qwen3.tts.sampling import choose as plain_choose
from tests.qwen_tiny.codec import codec_config, codec_tensors
from tests.unit.engines.qwen3.test_block import SHAPE

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # before the kernels are defined
pytest.importorskip("triton", reason="triton is not installed: make test-triton installs it")

from speech_service.engines.qwen3.codec.triton_kernels import TRITON as CODEC  # noqa: E402
from speech_service.engines.qwen3.nn.triton_kernels import TRITON  # noqa: E402
from speech_service.engines.qwen3.tts.triton_sampling import choose  # noqa: E402

EPS = 1e-6
WIDTHS = [32, 48, 1100]


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count launches, where they are interpreted."""
    if DEVICE != "cpu":
        pytest.skip("launches are counted where they are interpreted")
    from triton.runtime.interpreter import GridExecutor  # pyright: ignore[reportMissingImports]

    seen: list[int] = []
    run: Any = GridExecutor.__call__

    def counted(self: object, *args: object, **kwargs: object) -> object:
        seen.append(1)
        return run(self, *args, **kwargs)

    monkeypatch.setattr(GridExecutor, "__call__", counted)
    return seen


def numbers(*size: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed)).to(DEVICE, dtype)


def close(found: Tensor, expected: Tensor, within: float = 1e-5) -> None:
    assert found.dtype is expected.dtype
    torch.testing.assert_close(found.float(), expected.float(), rtol=within, atol=within)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("adds", [True, False])
@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_sum_and_norm(
    width: int, adds: bool, dtype: torch.dtype, within: float, launched: list[int]
) -> None:
    x, weight = numbers(3, width, dtype=dtype), numbers(width, seed=1, dtype=dtype)
    delta = numbers(3, width, seed=2, dtype=dtype) if adds else None
    found = TRITON.add_norm(x, delta, weight, EPS)
    assert len(launched) == 1
    for mine, plain in zip(found, PLAIN.add_norm(x, delta, weight, EPS), strict=True):
        close(mine, plain, within)


@pytest.mark.parametrize("width", WIDTHS)
def test_gate(width: int, launched: list[int]) -> None:
    gate_up = numbers(3, 2 * width)
    found = TRITON.silu_mul(gate_up)
    assert len(launched) == 1
    close(found, PLAIN.silu_mul(gate_up))


@pytest.mark.parametrize("width", WIDTHS)
def test_rows_in_eight_bits(width: int, launched: list[int]) -> None:
    x, weight, delta = numbers(3, width), numbers(width, seed=1), numbers(3, width, seed=2)
    mine = (TRITON.add_norm_scaled(x, delta, weight, EPS, FP8)[1], TRITON.silu_mul_scaled(x, FP8))
    assert len(launched) == 2
    plain = (PLAIN.add_norm_scaled(x, delta, weight, EPS, FP8)[1], PLAIN.silu_mul_scaled(x, FP8))
    for found, expected in zip(mine, plain, strict=True):
        close(found.scales, expected.scales)
        values, wanted = found.values.float(), expected.values.float()
        if (
            DEVICE == "cpu"
        ):  # Triton 3.7's interpreter loses the carry of what rounds up to a power of two
            values = torch.where(2 * values == wanted, wanted, values)
        # A last bit of the quotient may round to the neighbour: one of eight steps of an octave.
        close(values, wanted, within=0.13)


def integers(rows: int, width: int, seed: int) -> IntProducts:
    """Make products of so many rows, behind which a row is filled up."""
    values = (numbers(rows + 1, width, seed=seed) * 1000).to(torch.int32)
    scales = (numbers(rows, 1, seed=seed + 1), numbers(width, seed=seed + 2))
    return IntProducts(values, *(each.abs() / 1000 for each in scales))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("shrinks", [True, False])
def test_integers_are_scaled_by_the_kernels_around_their_product(
    width: int, shrinks: bool, launched: list[int]
) -> None:
    x, weight, delta = numbers(3, width), numbers(width, seed=1), integers(3, width, 2)
    shrink = numbers(width, seed=9).abs() + 0.5 if shrinks else None
    form, gate_up = RowFormat(torch.int8, 127.0, 17, shrink), integers(3, 2 * width, 5)
    found, rows = TRITON.add_norm_scaled(x, delta, weight, EPS, form)
    gated = TRITON.silu_mul_scaled(gate_up, form)
    total, normed = TRITON.add_norm(x, delta, weight, EPS)
    assert len(launched) == 3
    plain, plain_rows = PLAIN.add_norm_scaled(x, delta, weight, EPS, form)
    close(found, plain)
    for mine, wanted in zip((total, normed), PLAIN.add_norm(x, delta, weight, EPS), strict=True):
        close(mine, wanted)
    for mine, wanted in ((rows, plain_rows), (gated, PLAIN.silu_mul_scaled(gate_up, form))):
        assert len(mine.values) == len(wanted.values) == 17
        close(mine.scales, wanted.scales)
        gap = (mine.values[:3].int() - wanted.values[:3].int()).abs()
        assert int(gap.max()) <= 1, "a last bit of the quotient may round to the neighbour"
        assert float(gap.float().mean()) < 0.01


def test_integers_are_turned_and_kept(launched: list[int]) -> None:
    heads, qkv = Heads(4, 2, 16, numbers(6, 16, seed=1), EPS), integers(3, 8 * 16, 3)
    turn = (numbers(3, 1, 16, seed=2), numbers(3, 1, 16, seed=3))
    places = torch.tensor([5, 0, 9], dtype=torch.int32, device=DEVICE)
    answers: list[tuple[Tensor, ...]] = []
    for kernels in (TRITON, PLAIN):
        keys, values = numbers(12, 2, 16, seed=4), numbers(12, 2, 16, seed=5)
        query = kernels.turn_and_keep(qkv, heads, turn, places, keys, values)
        answers.append((query, keys, values))
    assert len(launched) == 1
    for found, expected in zip(*answers, strict=True):
        close(found, expected)


@pytest.mark.parametrize("common_turn", [True, False])
def test_queries_are_turned_and_keys_kept(common_turn: bool, launched: list[int]) -> None:
    heads = Heads(4, 2, 16, numbers(6, 16, seed=1), EPS)
    qkv = numbers(3, 8 * 16)
    turn = (
        numbers(1 if common_turn else 3, 1, 16, seed=2),
        numbers(1 if common_turn else 3, 1, 16, seed=3),
    )
    places = torch.tensor([5, 0, 9], dtype=torch.int32, device=DEVICE)
    answers: list[tuple[Tensor, ...]] = []
    for kernels in (TRITON, PLAIN):
        keys, values = numbers(12, 2, 16, seed=4), numbers(12, 2, 16, seed=5)
        query = kernels.turn_and_keep(qkv, heads, turn, places, keys, values)
        answers.append((query, keys, values))
    assert len(launched) == 1
    for found, expected in zip(*answers, strict=True):
        close(found, expected)


@pytest.mark.parametrize("new", [1, 2])
def test_short_attention(new: int, launched: list[int]) -> None:
    rows, held = 3, 8
    positions = torch.tensor([3, 4][-new:] * rows, dtype=torch.int32, device=DEVICE)
    steps = torch.arange(rows + 1, dtype=torch.int32, device=DEVICE)
    where = TokenRows(
        positions=positions,
        places=positions,
        ends=steps * new,
        begins=steps * held,
        lengths=torch.full_like(steps[1:], 5),
        most_new=new,
        most_held=held,
    )
    keys, values = numbers(rows * held, 2, 16, seed=1), numbers(rows * held, 2, 16, seed=2)
    query = numbers(rows * new, 4, 16)
    found = TRITON.attend_short(query, keys, values, where)
    assert len(launched) == 1
    close(found, gathered_attention(query, keys, values, where))


RULES = [
    Rule(0.0, 0, 1.0),
    Rule(0.9, 50, 1.0),
    Rule(1.0, 0, 1.0),
    Rule(0.7, 3, 0.8),
    Rule(1.5, 0, 0.3),
    Rule(1.0, 1, 1.0),
    Rule(1.0, 10_000, 0.999),
]


@pytest.mark.parametrize("codes", [100, 2048])
def test_draws_are_those_of_plain_torch(codes: int, launched: list[int]) -> None:
    repeats = 6
    columns = [rule.columns for rule in RULES * repeats]
    rules = Rules.of(RULES * repeats, torch.tensor(columns, dtype=torch.float64).to(DEVICE))
    logits = numbers(len(RULES) * repeats, codes) * 3
    logits[:, 7:20] = -torch.inf
    logits[1::2] = logits[1::2].round()  # with many ties
    shares = torch.rand(len(logits), 1, generator=torch.Generator().manual_seed(3)).to(DEVICE)
    found = choose(logits, rules, shares)
    assert len(launched) == 1
    assert found.tolist() == plain_choose(logits, rules, shares).tolist()


def fused_states(stack: DecoderStack, kernels: Kernels, fed: Tensor) -> Tensor:
    """Two prompts, and then a token of each in the other order."""
    cache = KvCache(SHAPE, 2, 16, fed.dtype, DEVICE, by_token=True)
    states: list[Tensor] = []
    spans = [[TokenSpan(0, 0, 5), TokenSpan(1, 0, 3)], [TokenSpan(1, 3, 1), TokenSpan(0, 5, 1)]]
    at = 0
    for part in spans:
        size = PassSize(sum(span.count for span in part), len(part))
        rows = torch.tensor(pass_table(cache, part, size), dtype=torch.int32).to(DEVICE)
        where = table_rows(rows, size, size.tokens, cache.length)
        plan = RowsPlan(cache.places, where, gathered_attention)
        own = fed[at : at + size.tokens]
        states.append(stack.fused(kernels)(own, plan, stack.turn(plan.positions)))
        at += size.tokens
    return torch.cat(states)


def test_a_stack_of_fused_layers_gives_the_states_of_plain_ones() -> None:
    torch.manual_seed(0)
    stack = DecoderStack(SHAPE, 32).to(DEVICE).requires_grad_(requires_grad=False)
    fed = numbers(10, SHAPE.hidden_size, seed=1)
    close(fused_states(stack, TRITON, fed), fused_states(stack, PLAIN, fed), within=1e-4)


def test_a_fused_stack_in_integers_gives_the_states_of_its_layers() -> None:
    """Layers alone scale their rows themselves, and their products."""
    torch.manual_seed(0)
    stack = DecoderStack(SHAPE, 32).to(DEVICE).requires_grad_(requires_grad=False)
    fed = numbers(10, SHAPE.hidden_size, seed=1)
    exact = fused_states(stack, PLAIN, fed)
    for layer in stack.layers:
        replace_linears(layer, int8_layer)
    plain = fused_states(stack, PLAIN, fed)
    close(fused_states(stack, TRITON, fed), plain, within=0.05)
    assert 0 < float((plain - exact).norm() / exact.norm()) < 0.05


# --- the codec ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 40, 1921])
@pytest.mark.parametrize("is_cut", [True, False])
def test_snake(length: int, is_cut: bool, launched: list[int]) -> None:
    """What transposed convolutions give is cut out of more, and does not lie in one piece."""
    x = numbers(2, 3, length + 3)[:, :, 1:-2] if is_cut else numbers(2, 3, length)
    frequency, height = numbers(3, 1, seed=1).exp(), numbers(3, 1, seed=2).exp()
    found = CODEC.snake(x * 3, frequency, height)
    cut = CODEC.snake(x, frequency, height)
    assert len(launched) == 2
    close(found, CODEC_PLAIN.snake(x * 3, frequency, height))
    close(cut, CODEC_PLAIN.snake(x, frequency, height))


@pytest.mark.parametrize("frames", [1, 5])
def test_queries_and_keys_of_the_codec_are_turned(frames: int, launched: list[int]) -> None:
    x = numbers(2, frames, 7, 16)[:, :, :5]  # the values' heads stay as they are
    positions = torch.tensor([0, 731], device=DEVICE)
    frequencies = numbers(8, seed=1).abs()
    found = CODEC.turn(x, positions, frequencies)
    assert len(launched) == 1
    close(found, CODEC_PLAIN.turn(x, positions, frequencies), within=1e-4)


@pytest.mark.parametrize("frames", [1, 6])
@pytest.mark.parametrize("kv_heads", [4, 2])
def test_attention_to_a_window(frames: int, kv_heads: int, launched: list[int]) -> None:
    past, positions = 9, torch.tensor([0, 4, 200], device=DEVICE)
    query = numbers(3, frames, 4 + kv_heads, 16)[:, :, :4]
    keys, values = (numbers(3, past + frames, kv_heads, 16, seed=seed) for seed in (1, 2))
    found = CODEC.attend(query, keys, values, positions)
    assert len(launched) == 1
    close(found, CODEC_PLAIN.attend(query, keys, values, positions))


def decoded(kernels: CodecKernels | None) -> Tensor:
    """Two streams in chunks of one and of three frames; None: as the module computes it."""
    tensors = codec_tensors()
    shape = CodecDecoderShape.from_config(codec_config()["decoder_config"])
    decoder = CodecDecoder(lambda name: tensors[name].to(DEVICE), shape)
    decoder.requires_grad_(requires_grad=False)
    if kernels is not None:
        decoder.freeze(kernels)
    random = torch.Generator().manual_seed(0)
    codes = torch.randint(shape.codebook_size, (2, 4, shape.codebooks), generator=random)
    states = torch.zeros(2, decoder.state_size, device=DEVICE)
    samples: list[Tensor] = []
    for at, chunk in ((0, codes[:, :1]), (1, codes[:, 1:])):
        positions = torch.full((2,), at, device=DEVICE)
        made, states = decoder(chunk.to(DEVICE), states, positions)
        samples.append(made)
    return torch.cat(samples, dim=1)


def test_a_codec_of_fused_layers_gives_the_samples_of_plain_ones() -> None:
    """On a GPU convolutions round to TF32 with either kernels; the module's do not."""
    found, plain = decoded(CODEC), decoded(CODEC_PLAIN)
    close(found, plain, within=1e-4)
    close(plain, decoded(None), within=1e-5 if DEVICE == "cpu" else 1e-2)
