"""The backend ``aligner/qwen3``: what it declares without weights, and which checkpoints and options it refuses."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from speech_service.config.tree import ConfigError, ModelConfig
from speech_service.engines.registry import build_engine, describe
from tests.qwen_tiny.folder import TinyModels

EVERY_LANGUAGE = ("zh", "en", "yue", "fr", "de", "it", "ja", "ko", "pt", "ru", "es")


def config(folder: Path, **options: Any) -> ModelConfig:
    return ModelConfig(kind="aligner/qwen3", options={"model": str(folder), **options})


def refusal(configured: ModelConfig) -> str:
    with pytest.raises(ConfigError) as caught:
        build_engine(configured, path="models[0]")
    message = str(caught.value)
    assert message.startswith("models[0].options: ")
    assert "\n" not in message
    return message


def edit(folder: Path, name: str, change: Any) -> None:
    content = json.loads((folder / name).read_text("utf-8"))
    change(content)
    (folder / name).write_text(json.dumps(content), "utf-8")


@pytest.fixture
def copy(aligner_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(aligner_folder, tmp_path / "copy"))


def test_describe_reads_no_weights_and_imports_no_runtime(aligner_folder: Path) -> None:
    code = (
        "import sys\n"
        "from speech_service.config.tree import ModelConfig\n"
        "from speech_service.engines import registry\n"
        f"told = registry.describe(ModelConfig('aligner/qwen3', options={{'model': {str(aligner_folder)!r}}}))\n"
        "assert 'yue' in told.languages\n"
        "heavy = {'torch', 'tokenizers', 'huggingface_hub', 'nagisa'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("is_installed", [True, False])
def test_japanese_is_declared_where_its_words_can_be_cut(
    aligner_folder: Path, monkeypatch: pytest.MonkeyPatch, is_installed: bool
) -> None:
    real = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> Any:
        if name == "nagisa":
            return object() if is_installed else None
        return real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    languages = describe(config(aligner_folder)).languages
    expected = {language for language in EVERY_LANGUAGE if language != "ja" or is_installed}
    assert set(languages) == expected


def test_languages_are_the_checkpoints(copy: Path) -> None:
    edit(copy, "config.json", lambda c: c.__setitem__("support_languages", ["English", "German"]))
    assert describe(config(copy)).languages == ("en", "de")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_batch": 0}, "max_batch must be positive"),
        ({"piece_ms": 1_000}, "piece_ms: 1000 is out of range"),
        ({"piece_ms": 10**6}, "Allowed: 30000 to 300000"),
        ({"dtype": "int8"}, "dtype: 'int8' is not one of float32, float16, bfloat16"),
        ({"device": "nowhere"}, "device: 'nowhere' cannot be used here"),
        ({"device": "cuda:97"}, "device: 'cuda:97' cannot be used here"),
        ({"revision": "main"}, "is a folder, which has no revision 'main'"),
    ],
)
def test_options_that_cannot_work_are_refused(
    aligner_folder: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build_engine(config(aligner_folder, **options), path="models[0]")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_must_be_named() -> None:
    with pytest.raises(ConfigError, match="model"):
        describe(ModelConfig(kind="aligner/qwen3"))
    with pytest.raises(ConfigError, match="name a folder or a hub id"):
        describe(ModelConfig(kind="aligner/qwen3", options={"model": ""}))


def test_a_recognizer_is_no_aligner(aligner_models: TinyModels) -> None:
    said = refusal(config(aligner_models.asr_target()))
    assert "it is a recognizer; a forced aligner is needed here" in said
    assert "pip install" not in said


def test_a_tokenizer_that_does_not_fit_is_refused(copy: Path) -> None:
    edit(copy, "config.json", lambda c: c.__setitem__("timestamp_token_id", 3))
    assert "says that token <timestamp> is 3, the tokenizer says" in refusal(config(copy))
    edit(copy, "config.json", lambda c: c.pop("timestamp_token_id"))
    build_engine(config(copy))
    edit(
        copy,
        "tokenizer.json",
        lambda c: c["added_tokens"].append(dict(c["added_tokens"][0], id=99_999, content="<far>")),
    )
    assert "the tokenizer has 100000 tokens, the network 576" in refusal(config(copy))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_every_type_loads(aligner_folder: Path, dtype: str) -> None:
    assert build_engine(config(aligner_folder, dtype=dtype)).step() == []
