"""The tiny checkpoints are what their names say, in every layout."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.qwen_tiny import asr, folder
from tests.qwen_tiny.checkpoints import Storage
from tests.qwen_tiny.folder import TinyModels


def loaded(path: Path) -> dict[str, torch.Tensor]:
    """Load all shards of a checkpoint."""
    tensors: dict[str, torch.Tensor] = {}
    for file in sorted(path.glob("*.safetensors")):
        tensors |= load_file(file)
    return tensors


def test_a_draft_has_the_first_layers_of_the_target() -> None:
    target = folder.asr_checkpoint(asr.TARGET_LAYERS).tensors
    draft = folder.asr_checkpoint(asr.DRAFT_LAYERS).tensors
    assert 0 < len(draft) < len(target)
    assert all(torch.equal(value, target[name]) for name, value in draft.items())


def test_only_the_poisonous_token_is_poisoned() -> None:
    poisoned = folder.poisoned_checkpoint().tensors
    poison = folder.vocabulary().tokenizer.encode(asr.POISON_TEXT).ids
    assert len(poison) == 1
    for name, value in poisoned.items():
        rows = torch.isnan(value.reshape(len(value), -1)).any(1).nonzero().flatten().tolist()
        assert rows == (poison if name.endswith("embed_tokens.weight") else []), name


def test_a_folder_is_written_once(tmp_path: Path) -> None:
    models = TinyModels(tmp_path)
    path = models.asr_draft()
    before = (path / "model.safetensors").stat().st_mtime_ns
    assert models.asr_draft() == path
    assert (path / "model.safetensors").stat().st_mtime_ns == before


def test_shards_hold_the_same_tensors_and_the_index_finds_each(tiny_models: TinyModels) -> None:
    sharded = tiny_models.asr_draft(Storage(shards=3))
    index = json.loads((sharded / "model.safetensors.index.json").read_text("utf-8"))
    whole = loaded(tiny_models.asr_draft())
    parts = loaded(sharded)
    assert parts.keys() == whole.keys() == index["weight_map"].keys()
    assert all(torch.equal(value, whole[name]) for name, value in parts.items())
    assert all(name in load_file(sharded / file) for name, file in index["weight_map"].items())
    assert len(set(index["weight_map"].values())) == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_checkpoint_is_stored_in_the_asked_dtype(
    dtype: torch.dtype, tiny_models: TinyModels
) -> None:
    stored = loaded(tiny_models.asr_draft(Storage(dtype)))
    assert {value.dtype for value in stored.values()} == {dtype}


@pytest.mark.parametrize("model", ["asr_target", "aligner"])
def test_the_native_layout_holds_the_same_tensors(model: str, tiny_models: TinyModels) -> None:
    release = loaded(getattr(tiny_models, model)())
    native = loaded(getattr(tiny_models, model)(native=True))
    assert not any(name.startswith("thinker.") for name in native)
    assert sorted(tensor.double().sum().item() for tensor in native.values()) == sorted(
        tensor.double().sum().item() for tensor in release.values()
    )


def test_a_synthesizer_has_its_codec_and_only_base_a_speaker_encoder(
    tiny_models: TinyModels,
) -> None:
    for kind in ("custom_voice", "voice_design", "base"):
        path = tiny_models.tts(kind)
        speaker = any(name.startswith("speaker_encoder.") for name in loaded(path))
        assert speaker == (kind == "base")
        assert "decoder.pre_conv.conv.weight" in loaded(path / "speech_tokenizer")


def test_the_small_synthesizer_needs_no_projection(tiny_models: TinyModels) -> None:
    projection = "talker.code_predictor.small_to_mtp_projection.weight"
    assert projection in loaded(tiny_models.tts("custom_voice", "1b7"))
    assert projection not in loaded(tiny_models.tts("custom_voice", "0b6"))
