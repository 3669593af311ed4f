"""What the KV cache reserves: enough for the longest answer with the longest proposal, and little enough for a GPU."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from benchmarks.random_qwen import SIZES
from speech_service.domain.work import RecognizeKind, SegmentKey
from speech_service.engines.qwen3.asr.compose import kv_bytes, slot_tokens
from speech_service.engines.qwen3.asr.options import Qwen3AsrOptions
from speech_service.engines.qwen3.asr_config import AsrConfig
from speech_service.engines.qwen3.nn.shapes import AudioShape, DecoderShape
from tests.qwen_tiny.folder import asr_checkpoint
from tests.unit.engines.qwen3.asr.engines import (
    clip,
    make_engine,
    make_work,
    parts,
    replace_parts,
    run,
    tokens_of,
)

H200_BYTES = 139 * 2**30
WEIGHTS_BYTES = 4.1e9
"""Of the 1.7B in bfloat16."""
AROUND_BYTES = 8e9
"""Context, graphs, activations, workspaces."""


def released(size: str) -> AsrConfig:
    """The configuration of a released size."""
    thinker = dict(asr_checkpoint(2).files["config.json"])["thinker_config"]
    audio, text = SIZES[size]
    heads = {"num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128}
    return AsrConfig(
        audio=AudioShape.from_config(thinker["audio_config"] | audio),
        decoder=DecoderShape.from_config(thinker["text_config"] | text | heads),
        classes=0,
        tied_head=True,
        audio_token_id=None,
        timestamp_token_id=None,
        timestamp_ms=80,
        languages=(),
    )


def test_a_thousand_live_segments_fit_on_one_h200() -> None:
    live: dict[str, Any] = {"max_audio_ms": 30_000, "max_context_tokens": 64}
    options = Qwen3AsrOptions(
        "m", device="cuda", graphs=True, max_batch=64, kept_segments=1000, **live
    )
    config = released("1.7b")
    assert config.decoder.kv_floats_per_token * 2 == 112 * 1024
    reserved = kv_bytes(options, config)
    assert reserved == 1064 * slot_tokens(options, config) * 112 * 1024
    assert reserved + WEIGHTS_BYTES + AROUND_BYTES < H200_BYTES
    fewer = kv_bytes(msgspec.structs.replace(options, tokens_per_s=5.0), config)
    print(f"reserved: {reserved / 1e9:.0f} GB; {fewer / 1e9:.0f} GB with tokens_per_s = 5")
    assert (round(reserved / 1e9), round(fewer / 1e9)) == (109, 84), "docs/models.md says so"
    # The longest segment in it: 4 windows, its context, and as many tokens as anyone says.
    assert slot_tokens(options, config) >= 64 + 4 * config.audio.window_tokens + 30 * 12


@pytest.mark.parametrize("decoding", ["previous", "draft", "previous+draft"])
def test_the_longest_answer_with_the_longest_proposal_fits_into_its_slot(
    target: Path, draft: Path, decoding: str
) -> None:
    torch.manual_seed(0)
    options: dict[str, Any] = {"max_audio_ms": 2000, "max_context_tokens": 40, "tokens_per_s": 6.0}
    engine = make_engine(
        target,
        draft if "draft" in decoding else None,
        decoding=decoding,
        max_batch=1,
        kept_segments=0,
        answer_tokens=24 + 12,
        **options,
    )
    replace_parts(engine, ends=frozenset())
    samples, key = clip(7, 2.0), SegmentKey("longest", 0, 0)
    context = "a b c d e f g h"
    work = make_work(samples, segment=key, context=context, kind=RecognizeKind.PARTIAL)
    tokens = tokens_of(run(engine, [work])[work.work_id])
    assert len(tokens) == 24 + 12
    again = make_work(samples, segment=key, context=context, draft_tokens=(*tokens, *tokens))
    assert tokens_of(run(engine, [again])[again.work_id]) == tokens
    assert parts(engine).reader.cache.length < 2 * (24 + 12) + 40 + 104 + 40
