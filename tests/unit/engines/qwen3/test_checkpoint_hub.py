"""Where checkpoints come from: folders, the hub's cache, the hub; and a machine without access to it."""

import json
import time
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from speech_service.config.tree import ConfigError, ModelConfig
from speech_service.engines.qwen_release.hub import CheckpointError, check_source, locate
from speech_service.engines.registry import describe

NAME = "owner/model"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a hub that cannot be reached."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))

    def unreachable(*args: object, **options: object) -> None:
        del args, options
        raise OSError("[Errno -2] Name or service not known\nmore lines")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unreachable)
    return folder


def cached(cache: Path, model_type: str = "qwen3_asr") -> Path:
    """A repository in the cache, as the hub's library keeps it."""
    repository = cache / "models--owner--model"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    (snapshot / "config.json").write_text(json.dumps({"model_type": model_type}))
    (snapshot / "model.safetensors").write_bytes(b"x")
    return snapshot


def test_a_folder_is_used_as_it_is(tmp_path: Path) -> None:
    assert locate(str(tmp_path)) == tmp_path
    assert check_source(str(tmp_path)) == tmp_path
    with pytest.raises(CheckpointError, match="which has no revision 'main'"):
        locate(str(tmp_path), "main")


@pytest.mark.parametrize(
    "source", ["nowhere", "./a", "../a", "./a/b", "/no/such/folder", "a/b/c", "a b/c"]
)
def test_what_is_neither_folder_nor_repository_is_refused(source: str) -> None:
    with pytest.raises(CheckpointError, match="is not a folder, and not the id of a hub"):
        locate(source)


def test_no_name_is_refused() -> None:
    with pytest.raises(CheckpointError, match="no checkpoint is named"):
        locate("")


def test_a_machine_without_access_says_what_to_put_where_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it tries again and again"))
    for look in (locate, check_source):
        with pytest.raises(CheckpointError) as caught:
            look(NAME)
        message = str(caught.value)
        assert "\n" not in message
        assert "more lines" not in message
        for part in (NAME, "Name or service", "config.json", "model.safetensors", "merges.txt"):
            assert part in message


def test_the_line_is_the_start_ups(cache: Path) -> None:
    del cache
    config = ModelConfig(kind="aligner/qwen3", options={"model": NAME})
    with pytest.raises(ConfigError, match=r"^models\[1\]\.options: checkpoint 'owner/model'.*\.$"):
        describe(config, "models[1]")


def test_a_complete_repository_in_the_cache_needs_no_network(cache: Path) -> None:
    snapshot = cached(cache)
    assert locate(NAME) == snapshot
    assert check_source(NAME) == snapshot
    assert locate(NAME, COMMIT) == snapshot


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_download_that_was_broken_off_is_not_taken_for_whole(cache: Path, missing: str) -> None:
    (cached(cache) / missing).unlink()
    with pytest.raises(CheckpointError, match="could not be downloaded"):
        locate(NAME)


def test_every_shard_must_be_in_the_cache(cache: Path) -> None:
    snapshot = cached(cache)
    (snapshot / "model.safetensors").unlink()
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    (snapshot / "one.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="could not be downloaded"):
        locate(NAME)
    (snapshot / "two.safetensors").write_bytes(b"x")
    assert locate(NAME) == snapshot


def test_a_synthesizer_needs_its_codec(cache: Path) -> None:
    snapshot = cached(cache, "qwen3_tts")
    with pytest.raises(CheckpointError, match="could not be downloaded"):
        locate(NAME)
    codec = snapshot / "speech_tokenizer"
    codec.mkdir()
    (codec / "config.json").write_text('{"model_type": "qwen3_tts_tokenizer_12hz"}')
    (codec / "model.safetensors").write_bytes(b"x")
    assert locate(NAME) == snapshot


def test_what_the_hub_has_is_downloaded_at_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def model_info(api: object, name: str, *, revision: str, timeout: float) -> object:
        del api
        assert timeout <= 10
        asked.append((name, revision))
        return type("Info", (), {"sha": COMMIT})()

    def snapshot_download(name: str, *, revision: str | None, **options: object) -> str:
        if options.get("local_files_only"):
            raise OSError("not in the cache")
        asked.append((name, revision))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert check_source(NAME, "v2") is None
    assert locate(NAME, "v2") == tmp_path
    assert asked == [(NAME, "v2"), (NAME, "v2"), (NAME, COMMIT)]
