"""Checkpoints: what is read of them, and what is said of files that are missing or odd."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from speech_service.engines.qwen3.asr_config import read_asr_config
from speech_service.engines.qwen3.checkpoint.reading import (
    Checkpoint,
    CheckpointError,
    open_checkpoint,
)
from tests.qwen_tiny.checkpoints import FLOAT32, Storage
from tests.qwen_tiny.folder import TinyModels

ASR = "qwen3_asr"
EMBEDDING = "thinker.model.embed_tokens.weight"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    return TinyModels(tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture
def target(models: TinyModels, tmp_path: Path) -> Path:
    """A recognizer of one's own, to be damaged."""
    return Path(shutil.copytree(models.asr_target(), tmp_path / "target"))


@pytest.fixture
def sharded(models: TinyModels, tmp_path: Path) -> Path:
    folder = models.asr_target(Storage(torch.bfloat16, shards=3))
    return Path(shutil.copytree(folder, tmp_path / "sharded"))


def opened(folder: Path) -> Checkpoint:
    checkpoint = open_checkpoint(str(folder), ASR)
    read_asr_config(checkpoint)
    return checkpoint


def refusal(folder: Path) -> str:
    """What is said of a checkpoint that is refused: one line that names it as it was configured."""
    with pytest.raises(CheckpointError) as caught:
        opened(folder)
    message = str(caught.value)
    assert message.startswith(f"checkpoint {str(folder)!r}: ")
    assert message.endswith(".")
    assert "\n" not in message
    return message.removeprefix(f"checkpoint {str(folder)!r}: ")


def edit_json(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(file.read_text("utf-8"))
    change(content)
    file.write_text(json.dumps(content), "utf-8")


def edit_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    file = folder / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


def native_name(name: str) -> str:
    """What transformers 5 calls a tensor of a forced aligner."""
    name = name.removeprefix("thinker.")
    for number in "12":
        if name.startswith(f"audio_tower.proj{number}"):
            return f"model.multi_modal_projector.linear_{number}" + name[len("audio_tower.projX") :]
    if name.startswith("model."):
        return "model.language_model." + name.removeprefix("model.")
    return "model." + name if name.startswith("audio_tower.") else name


def as_native(folder: Path, head: str) -> Path:
    """The checkpoint in the layout of transformers 5.23 (written down from what it saves)."""
    native = folder.with_name(folder.name + "-native")
    native.mkdir()
    tensors = load_file(folder / "model.safetensors")
    renamed = {native_name(name).replace("lm_head", head): value for name, value in tensors.items()}
    save_file(renamed, native / "model.safetensors")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    thinker = config["thinker_config"]
    text = dict(thinker["text_config"], model_type="qwen3")
    text.pop("rope_scaling")
    text["rope_parameters"] = {"rope_type": "default", "rope_theta": text.pop("rope_theta")}
    written: dict[str, Any] = {
        "model_type": "qwen3_asr",
        "architectures": ["Qwen3ASRForConditionalGeneration"],
        "audio_config": dict(thinker["audio_config"], model_type="qwen3_asr_encoder"),
        "text_config": text,
        "audio_token_id": thinker["audio_token_id"],
        "timestamp_token_id": 513,
    }
    if head == "score":
        written["architectures"] = ["Qwen3ASRForTokenClassification"]
        written["id2label"] = {str(at): f"LABEL_{at}" for at in range(5000)}
    (native / "config.json").write_text(json.dumps(written), "utf-8")
    return native


# --- what is read ---


def test_tensors_are_those_of_the_files(models: TinyModels) -> None:
    folder = models.asr_target()
    checkpoint = opened(folder)
    stored = load_file(folder / "model.safetensors")
    assert checkpoint.names == stored.keys()
    read = checkpoint.reader()
    assert all(torch.equal(read(name), tensor) for name, tensor in stored.items())


def test_shards_read_as_one_file(models: TinyModels, sharded: Path) -> None:
    one, several = opened(models.asr_target()), opened(sharded)
    assert len(several.files.weights) == 3
    assert one.names == several.names
    read, read_shards = one.reader(), several.reader()
    assert all(torch.equal(read(name), read_shards(name)) for name in one.names)


@pytest.mark.parametrize("head", ["lm_head", "score"])
def test_the_transformers_layout_reads_as_the_releases(
    models: TinyModels, tmp_path: Path, head: str
) -> None:
    source = models.aligner() if head == "score" else models.asr_target()
    folder = Path(shutil.copytree(source, tmp_path / "model"))
    release, native = opened(folder), opened(as_native(folder, head))
    assert release.names == native.names
    read, read_native = release.reader(), native.reader()
    assert all(torch.equal(read(name), read_native(name)) for name in release.names)
    one, other = read_asr_config(release), read_asr_config(native)
    assert (one.audio, one.decoder, one.classes, one.tied_head) == (
        other.audio,
        other.decoder,
        other.classes,
        other.tied_head,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_tensors_are_cast(models: TinyModels, dtype: torch.dtype) -> None:
    exact = opened(models.asr_target(FLOAT32)).reader()(EMBEDDING)
    cast = opened(models.asr_target(FLOAT32)).reader(dtype)(EMBEDDING)
    assert cast.dtype == dtype
    assert torch.equal(cast, exact.to(dtype))


def test_an_aligner_has_classes_and_a_head_of_its_own(models: TinyModels) -> None:
    aligner = read_asr_config(opened(models.aligner()))
    assert (aligner.classes, aligner.timestamp_ms, aligner.tied_head) == (5000, 80, False)
    target = read_asr_config(opened(models.asr_target()))
    assert (target.classes, target.tied_head) == (0, True)
    assert target.head == EMBEDDING
    assert read_asr_config(opened(models.asr_poisoned())).head == "thinker.lm_head.weight"


def test_a_tied_head_may_be_written_twice(target: Path) -> None:
    edit_tensors(target, lambda t: t.__setitem__("thinker.lm_head.weight", t[EMBEDDING].clone()))
    assert read_asr_config(opened(target)).head == EMBEDDING


def test_digests_are_of_the_files_as_they_are_now(sharded: Path) -> None:
    def expected() -> dict[str, str]:
        return {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sharded.glob("*.safetensors")
        }

    assert opened(sharded).files.digests() == expected()
    first = min(sharded.glob("*.safetensors"))
    save_file({name: t + 1 for name, t in load_file(first).items()}, first)
    assert opened(sharded).files.digests() == expected()


def test_generation_config_is_optional(target: Path) -> None:
    assert opened(target).files.json("generation_config.json")
    (target / "generation_config.json").unlink()
    assert opened(target).files.json("generation_config.json") is None


def test_a_part_is_a_checkpoint_of_its_folder(target: Path, models: TinyModels) -> None:
    shutil.copytree(models.aligner(), target / "inner")
    assert read_asr_config(opened(target).part("inner", ASR)).classes
    with pytest.raises(CheckpointError, match="folder other is missing"):
        opened(target).part("other", ASR)
    (target / "inner" / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"target/inner': config\.json is missing"):
        opened(target).part("inner", ASR)


# --- what is refused ---


def test_a_missing_configuration_is_named(target: Path) -> None:
    (target / "config.json").unlink()
    assert refusal(target) == "config.json is missing."


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "config.json is not valid JSON"),
        (b"[" * 100_000, "config.json is not valid JSON"),
        (b"[1]", "config.json is not a JSON object"),
        (b"\xff\xfe", "config.json cannot be read: it is not UTF-8"),
        (b'{"model_type": "llama"}', "config.json says model_type 'llama'; 'qwen3_asr' is needed"),
        (b"{}", "config.json says model_type None"),
        (b'{"model_type": "qwen3_asr", "thinker_config": 1}', "lacks the section thinker_config"),
    ],
)
def test_an_odd_configuration_is_refused(target: Path, content: bytes, said: str) -> None:
    (target / "config.json").write_bytes(content)
    assert said in refusal(target)


@pytest.mark.parametrize(
    ("section", "field", "value", "said"),
    [
        ("text_config", "hidden_size", None, "lacks hidden_size"),
        ("audio_config", "d_model", None, "lacks d_model"),
        ("text_config", "num_hidden_layers", "many", "wrong type"),
        ("text_config", "num_hidden_layers", 0, "a size that is not positive"),
        ("text_config", "num_hidden_layers", 10**12, "more layers than the weights have"),
        ("text_config", "num_hidden_layers", 1e999, "wrong type"),
        ("text_config", "num_attention_heads", 0, "a size that is not positive"),
        ("text_config", "hidden_act", "gelu", "text_config.hidden_act is 'gelu'"),
        ("text_config", "rope_scaling", {"rope_type": "yarn"}, "of type 'yarn'"),
        ("audio_config", "encoder_attention_heads", 5, "heads of the audio encoder divide"),
        ("audio_config", "n_window_infer", 750, "chunks fill a window"),
        ("audio_config", "output_dim", 32, "as wide as the decoder"),
        ("audio_config", "scale_embedding", True, "audio_config.scale_embedding is True"),
    ],
)
def test_a_configuration_that_is_not_supported_names_its_field(
    target: Path, section: str, field: str, value: object, said: str
) -> None:
    def change(config: dict[str, Any]) -> None:
        config["thinker_config"][section][field] = value
        if value is None:
            del config["thinker_config"][section][field]

    edit_json(target / "config.json", change)
    assert said in refusal(target)


def test_weights_that_would_run_code_are_not_read(target: Path) -> None:
    (target / "model.safetensors").rename(target / "pytorch_model.bin")
    said = refusal(target)
    assert "model.safetensors is missing" in said
    assert "pytorch_model.bin, which is not read" in said


def test_a_missing_shard_is_named(sharded: Path) -> None:
    (sharded / "model-00002-of-00003.safetensors").unlink()
    assert "needs model-00002-of-00003.safetensors, which is missing" in refusal(sharded)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("../other.safetensors", "is no file of its folder"),
        ("/etc/passwd", "is no file of its folder"),
        (7, "is no file of its folder"),
        ("model-00002-of-00003.safetensors", "holds thinker.model.norm.weight, but it does not"),
    ],
)
def test_an_index_that_is_wrong_is_refused(sharded: Path, place: object, said: str) -> None:
    index = sharded / "model.safetensors.index.json"
    names = json.loads(index.read_text("utf-8"))["weight_map"]
    assert names["thinker.model.norm.weight"] != place
    edit_json(index, lambda c: c["weight_map"].__setitem__("thinker.model.norm.weight", place))
    assert said in refusal(sharded)
    edit_json(index, lambda c: c.pop("weight_map"))
    assert "has no weight_map" in refusal(sharded)


def test_a_weight_file_cut_off_anywhere_is_refused(target: Path) -> None:
    file = target / "model.safetensors"
    whole = file.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for size in (0, 1, 7, 8, 9, header // 2, header - 1, header, header + 1, len(whole) - 1):
        file.write_bytes(whole[:size])
        assert "model.safetensors" in refusal(target)
    file.write_bytes(whole + b"\0")
    assert "cut off or damaged" in refusal(target)


@pytest.mark.parametrize(
    "content",
    [b"not a weight file at all", b"version https://git-lfs.github.com/spec/v1\n", b"\xff" * 64]
    + [len(h).to_bytes(8, "little") + h for h in (b"[]", b'{"a": 1}', b'{"a": {}}', b"\xff{}")],
)
def test_a_file_of_another_format_is_refused(target: Path, content: bytes) -> None:
    (target / "model.safetensors").write_bytes(content)
    assert "is not a safetensors file" in refusal(target)


@given(data=st.data())
def test_a_damaged_header_is_refused_or_reads_the_same(
    models: TinyModels, data: st.DataObject
) -> None:
    source = models.aligner()
    whole = (source / "model.safetensors").read_bytes()
    end = 8 + int.from_bytes(whole[:8], "little")
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(source / "config.json", folder)
        (folder / "model.safetensors").write_bytes(damaged)
        try:
            checkpoint = opened(folder)
            read = checkpoint.reader()
            tensors = [read(tensor) for tensor in sorted(checkpoint.names)]
        except CheckpointError:
            return
    assert len(tensors) >= len(load_file(source / "model.safetensors"))


def test_a_missing_tensor_is_named(target: Path) -> None:
    name = "thinker.model.layers.1.mlp.up_proj.weight"
    edit_tensors(target, lambda tensors: tensors.pop(name))
    assert refusal(target) == f"the weights lack tensor {name}."


def test_a_tensor_of_another_shape_is_named(target: Path) -> None:
    edit_tensors(target, lambda t: t.__setitem__(EMBEDDING, t[EMBEDDING][1:].clone()))
    assert refusal(target) == (
        f"tensor {EMBEDDING} has shape [575, 64]; config.json asks for [576, 64]."
    )


def test_a_tensor_of_another_architecture_is_named(target: Path) -> None:
    name = "thinker.model.layers.0.mlp.up_proj.weight_scale"
    edit_tensors(target, lambda tensors: tensors.__setitem__(name, torch.ones(1)))
    assert refusal(target) == (
        f"the weights hold tensor {name}, which this architecture does not have."
    )
    tables = "thinker.model.rotary_emb.inv_freq"
    edit_tensors(target, lambda t: (t.pop(name), t.__setitem__(tables, torch.ones(64))))
    opened(target)


def test_other_networks_in_the_files_are_left_alone(target: Path) -> None:
    edit_tensors(target, lambda tensors: tensors.__setitem__("talker.weight", torch.ones(1)))
    opened(target)


def test_a_type_that_is_not_supported_is_named(target: Path) -> None:
    edit_tensors(target, lambda t: t.__setitem__(EMBEDDING, t[EMBEDDING].to(torch.float8_e4m3fn)))
    with pytest.raises(CheckpointError, match=f"tensor {EMBEDDING} is stored as F8_E4M3"):
        opened(target).reader()(EMBEDDING)


def test_an_unknown_tensor_is_named(models: TinyModels) -> None:
    with pytest.raises(CheckpointError, match="tensor nothing is missing from the weights"):
        opened(models.asr_target()).reader()("nothing")
