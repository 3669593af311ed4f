"""``export-encoder``, ``export-codec`` and ``quantization-report`` on a tiny checkpoint."""

import json
import wave
from pathlib import Path

import pytest

from speech_service.cli import run
from speech_service.cli.failure import ExitCode
from tests.qwen_tiny.audio import speech_like
from tests.qwen_tiny.folder import TinyModels


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Give a recording of a second."""
    file = tmp_path / "sound.wav"
    with wave.open(str(file), "wb") as target:
        target.setparams((1, 2, 16_000, 0, "NONE", ""))
        target.writeframes((speech_like(1, 1.0) * 32767).astype("<i2").tobytes())
    return file


def test_export_encoder_writes_a_graph_and_says_how_large(
    tiny_models: TinyModels, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "encoder.onnx"
    model = str(tiny_models.asr_target())
    assert run(["export-encoder", "--model", model, "--out", str(out)]) == ExitCode.OK
    assert out.stat().st_size > 10_000
    assert "MB" in capsys.readouterr().out


def test_export_encoder_of_an_aligner_is_refused_in_one_line(
    tiny_models: TinyModels, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(tiny_models.aligner())
    arguments = ["export-encoder", "--model", model, "--out", str(tmp_path / "e.onnx")]
    assert run(arguments) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "a recognizer is needed" in said
    assert said.count("\n") == 1


def test_export_codec_writes_a_graph_and_says_how_large(
    tiny_models: TinyModels, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "codec.onnx"
    model = str(tiny_models.tts("base"))
    assert run(["export-codec", "--model", model, "--out", str(out)]) == ExitCode.OK
    assert out.stat().st_size > 10_000
    assert "MB" in capsys.readouterr().out
    wrong = ["export-codec", "--model", str(tiny_models.aligner()), "--out", str(out)]
    assert run(wrong) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "qwen3_asr" in said
    assert said.count("\n") == 1


def test_the_report_lists_the_worst_layer_first(
    tiny_models: TinyModels, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(tiny_models.asr_target())
    arguments = ["quantization-report", "--model", model, "--json", str(recording)]
    assert run(arguments) == ExitCode.OK
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 17
    errors = [row["error"] for row in rows]
    assert errors == sorted(errors, reverse=True)
    assert {"head", "stack.layers.0.qkv"} <= {row["layer"] for row in rows}


def test_the_report_is_a_table_for_people(
    tiny_models: TinyModels, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(tiny_models.asr_target())
    arguments = ["quantization-report", "--model", model, "--method", "int8-weights"]
    assert run([*arguments, str(recording)]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert "stack.layers.3.down" in shown
    assert "%" in shown


def test_a_recording_that_is_not_there_is_named(
    tiny_models: TinyModels, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(tiny_models.asr_target())
    arguments = ["quantization-report", "--model", model, str(tmp_path / "none.wav")]
    assert run(arguments) == ExitCode.USAGE
    assert "none.wav" in capsys.readouterr().err
