"""What an operator reads when an official Qwen package cannot be used."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from speech_service.config.tree import ConfigError, ModelConfig
from speech_service.engines.registry import build_engine
from tests.unit.engines.official import pretend

ASR = "recognizer/qwen-asr"


def build(folder: Path | str) -> None:
    build_engine(ModelConfig(kind=ASR, options={"model": str(folder)}), path="models[0]")


def test_a_missing_package_names_it_the_version_and_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as refused:
        build(tmp_path)
    message = str(refused.value)
    for part in ("models[0]", "qwen_asr", "qwen-asr==0.0.6", "transformers==4.57.6", "backends.md"):
        assert part in message


@pytest.mark.parametrize("version", ["5.23.0", "4.56.2", "4.570.0"])
def test_another_transformers_is_named_before_the_package_is_imported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str
) -> None:
    def load(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("must not be reached")

    pretend(monkeypatch, "qwen_asr", "Qwen3ASRModel", load, transformers=version)
    with pytest.raises(ConfigError, match=rf"needs transformers 4\.57\.6.* has {version}"):
        build(tmp_path)


def test_a_folder_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "qwen_asr", "Qwen3ASRModel", lambda *args, **kwargs: None)
    with pytest.raises(ConfigError, match=r"models\[0\].*no such/model.*not a folder"):
        build("./no such/model")


def test_a_release_that_the_package_cannot_load_is_named_without_its_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def load(*args: Any, **kwargs: Any) -> None:
        raise OSError("the package's own long words")

    pretend(monkeypatch, "qwen_asr", "Qwen3ASRModel", load)
    with pytest.raises(ConfigError, match="qwen_asr cannot load") as refused:
        build(tmp_path)
    assert "long words" not in str(refused.value)
