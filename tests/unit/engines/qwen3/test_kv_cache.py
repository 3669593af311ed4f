"""The memory of keys and values: zeros, aligned, and on the CPU taken when it is written."""

from dataclasses import replace

import psutil
import pytest
import torch

from speech_service.engines.qwen3.nn.kv_cache import KvCache
from tests.unit.engines.qwen3.test_block import SHAPE

MIB = 1024 * 1024


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_holds_zeros_as_torch_would(dtype: torch.dtype) -> None:
    cache = KvCache(SHAPE, 3, 17, dtype)
    expected = torch.zeros(SHAPE.layers, 3, SHAPE.kv_heads, 17, SHAPE.head_dim, dtype=dtype)
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
