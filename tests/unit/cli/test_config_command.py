"""``speech-service config``: what is in force, where it came from, and every key that there is."""

import json
from pathlib import Path

import pytest

from speech_service.cli import run
from speech_service.config.load import load_config
from speech_service.config.reference import rows
from speech_service.config.tree import Config


def test_values_are_shown_with_their_origin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEECH_SERVER__MAX_STREAMS", "7")
    assert run(["config", "--set", "worker.nice=3"]) == 0
    lines = {
        tuple(part.strip() for part in line.split("#"))
        for line in capsys.readouterr().out.splitlines()
    }
    assert (
        "server.max_streams = 7",
        "the environment variable SPEECH_SERVER__MAX_STREAMS",
    ) in lines
    assert ("worker.nice = 3", "the command line") in lines
    assert ("server.max_unary = 64", "default") in lines


def test_json_holds_every_key_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["models.0.kind"] == {"value": "recognizer/moonshine", "from": "default"}
    tables = {row.key for row in rows(Config)} - {"models", *(k for k in shown)}
    assert all(any(key.startswith(f"{table}.") for key in shown) for table in tables)


def test_an_error_says_who_set_the_value(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEECH_SERVER__MAX_STREAMS", "many")
    assert run(["config"]) == 2
    assert "from the environment variable SPEECH_SERVER__MAX_STREAMS" in capsys.readouterr().err


def test_no_secret_is_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "speech.toml"
    file.write_text('[[models]]\nkind = "translator/openai"\noptions = {api_key = "hush"}')
    assert run(["config", f"--config={file}"]) == 0
    assert "hush" not in capsys.readouterr().out


def test_the_reference_has_every_key_and_a_default_that_can_be_set(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["config", "--reference"]) == 0
    page = capsys.readouterr().out
    for row in rows(Config):
        assert f"`{row.key}`" in page
        if row.kind not in ("a table", "a list"):
            text = row.default.strip('"')
            assert load_config(overrides=[f"{row.key}={text}"], environment={}) == Config()
