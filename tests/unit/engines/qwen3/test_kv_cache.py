"""The memory of keys and values: zeros, aligned, and on the CPU taken when it is written."""

from dataclasses import replace
from itertools import chain

import psutil
import pytest
import torch

from speech_service.engines.qwen3.nn.kv_cache import KvCache
from tests.unit.engines.qwen3.test_block import SHAPE

MIB = 1024 * 1024


@pytest.mark.parametrize("by_token", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_holds_zeros_as_torch_would(dtype: torch.dtype, by_token: bool) -> None:
    cache = KvCache(SHAPE, 3, 17, dtype, by_token=by_token)
    heads, width = SHAPE.kv_heads, SHAPE.head_dim
    size = (3 * 17 + 1, heads, width) if by_token else (3, heads, 17, width)
    expected = torch.zeros(SHAPE.layers, *size, dtype=dtype)
    for side in (cache.keys, cache.values):
        assert side.dtype is dtype
        assert torch.equal(side, expected)
        assert side.is_contiguous()
        assert side.data_ptr() % 64 == 0


def test_what_is_not_written_takes_no_memory() -> None:
    shape, process = replace(SHAPE, head_dim=128), psutil.Process()
    before = process.memory_info().rss
    cache = KvCache(shape, 40, 4096)
    assert cache.nbytes > 256 * MIB
    assert process.memory_info().rss - before < 16 * MIB
    cache.keys[:, 0] = 1.0
    assert cache.keys[:, 0].min() == 1.0
    assert not cache.keys[:, 1].any()


@pytest.mark.parametrize("by_token", [True, False])
def test_a_cleared_slot_leaves_the_others_alone(by_token: bool) -> None:
    cache = KvCache(SHAPE, 3, 17, by_token=by_token)
    for side in (cache.keys, cache.values):
        side.fill_(1.0)
    cache.clear([1])
    for side in chain.from_iterable(cache.layers):
        assert [bool(cache.slot_of(side, slot).any()) for slot in range(3)] == [True, False, True]
        assert cache.slot_of(side, 1).shape == (SHAPE.kv_heads, 17, SHAPE.head_dim)
        cache.slot_of(side, 1).fill_(1.0)
        assert side.min() == 1.0
