"""The commands that the demo ends with run as they are printed."""

import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from speech_service.cli import build_parser, checks
from speech_service.cli.demo_next import how_started, next_commands
from speech_service.cli.failure import CommandError, ExitCode
from speech_service.cli.finding import Check, Verdict


def script(folder: Path) -> Path:
    file = folder / "bin" / "speech-service"
    file.parent.mkdir(parents=True)
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


def test_the_program_is_named_as_it_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = script(tmp_path / ".venv")
    monkeypatch.setenv("PATH", "/nowhere")
    assert how_started(str(file), tmp_path) == ".venv/bin/speech-service"
    assert how_started(str(file), tmp_path / "other") == str(file)
    monkeypatch.setattr(sys, "executable", str(file.with_name("python")))
    assert how_started("/lib/speech_service/__main__.py", tmp_path) == ".venv/bin/speech-service"
    monkeypatch.setenv("PATH", str(file.parent))  # An active environment.
    assert how_started(str(file), tmp_path) == "speech-service"
    assert how_started("/lib/speech_service/__main__.py", tmp_path) == "speech-service"
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    monkeypatch.setenv("PATH", "/nowhere")
    unnamed = how_started("/lib/speech_service/__main__.py", tmp_path)
    assert unnamed.endswith("speech_service") or unnamed.endswith("speech-service")


def test_every_command_is_one_that_there_is() -> None:
    spoken = Path("/tmp/a demo/spoken.wav")
    shown = next_commands(spoken, ".venv/bin/speech-service")
    assert "{" not in shown.replace('{"config":{"audio":{"auto_detect":{}}},"audio":"%s"}', "")
    commands = [line[33:] for line in shown.splitlines() if "speech-service" in line]
    assert len(commands) == 10
    for command in commands:
        program, name, *rest = shlex.split(command)
        assert program == ".venv/bin/speech-service"
        given = build_parser(name).parse_args(rest)
        for key in ("files", "source"):
            if (file := vars(given).get(key)) not in (None, "", "mic"):
                assert file in (str(spoken), [str(spoken)])


def test_the_doctor_opens_the_sound_library(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Check("extra mic", Verdict.OK, "1 package")

    def no_library() -> None:
        raise CommandError("it needs the library. Install it: apt", ExitCode.MISSING_EXTRA)

    monkeypatch.setattr(checks, "sound_devices", no_library)
    lacking = checks.check_sound(there)
    assert (lacking.verdict, lacking.fix) == (Verdict.WARN, "Install it: apt")
    assert lacking.found == "1 package, but it needs the library"

    class NoDeviceError(Exception):
        pass

    def query(kind: str) -> dict[str, str]:
        if kind == "input":
            raise NoDeviceError
        return {"name": "speaker"}

    devices = SimpleNamespace(query_devices=query, PortAudioError=NoDeviceError)
    monkeypatch.setattr(checks, "sound_devices", lambda: devices)
    assert checks.check_sound(there).found == "1 package, but no microphone here"
    missing = Check("extra mic", Verdict.WARN, "missing: sounddevice", "install")
    assert checks.check_sound(missing) is missing
