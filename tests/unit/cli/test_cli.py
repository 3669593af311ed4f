"""Arguments, failures, the live view and the doctor's checks, without a server."""

import argparse
import io
import sys
import time

import grpc
import pytest
from rich.console import Console

from speech_client import (
    AudioSourceError,
    Latency,
    RecognitionResult,
    ResultKind,
    SessionEnded,
    SpeechEvent,
    SpeechEventKind,
    Usage,
)
from speech_client.errors import from_status
from speech_service.cli import COMMANDS, build_parser, checks, inputs, ports, run
from speech_service.cli.commands import serve
from speech_service.cli.failure import CommandError, ExitCode, explain
from speech_service.cli.finding import Verdict
from speech_service.cli.server_address import Access
from speech_service.cli.ui.live_view import LiveView, clock
from speech_service.config.environment import local_address
from speech_service.config.load import load_config
from speech_service.config.tree import Config, ConfigError, ModelConfig, ServerConfig


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert "--verbose" in capsys.readouterr().out


def test_no_command_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == ExitCode.USAGE
    assert "recognize" in capsys.readouterr().out


def test_help_imports_no_command() -> None:
    loaded = {name for name in sys.modules if name.startswith("speech_service.cli.")}
    build_parser().format_help()
    assert {name for name in sys.modules if name.startswith("speech_service.cli.")} == loaded


def parse_serve(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    return parser.parse_args(words)


def test_serve_flags_become_settings_and_set_wins() -> None:
    given = parse_serve(
        *("--listen", "127.0.0.1:1", "--workers", "inline", "--preload", "--log-format", "json"),
        *("--set", "server.listen=127.0.0.1:2", "--set", "vad.kind=fake"),
    )
    config = load_config(None, serve.overrides(given), {})
    assert config.server.listen == "127.0.0.1:2"
    assert config.worker.mode == "inline"
    assert config.worker.preload
    assert config.observability.log_format == "json"
    assert config.vad.kind == "fake"
    assert serve.overrides(parse_serve()) == []


def test_serve_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "loguru", None)
    for name in [n for n in sys.modules if n.startswith(("speech_service.app", "loguru."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("speech_service.app", raising=False)
    with pytest.raises(CommandError) as caught:
        serve.run(parse_serve())
    assert caught.value.code is ExitCode.MISSING_EXTRA
    assert "pip install '.[server]'" in str(caught.value)


@pytest.mark.parametrize(
    ("missing", "hint"),
    [
        (ModuleNotFoundError("sounddevice"), "pip install '.[mic]'"),
        (OSError("PortAudio library not found"), "apt-get install libportaudio2"),
    ],
)
def test_no_microphone(
    missing: Exception,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(name: str) -> None:
        raise missing

    monkeypatch.setattr(inputs, "import_module", fail)
    assert run(["listen", "mic", "--server", "127.0.0.1:1"]) == ExitCode.MISSING_EXTRA
    assert hint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ConfigError("vad.kind: unknown"), ExitCode.USAGE, "vad.kind: unknown"),
        (AudioSourceError("x.wav: empty"), ExitCode.USAGE, "x.wav: empty"),
        (
            from_status(grpc.StatusCode.UNAVAILABLE, "refused", None),
            ExitCode.UNREACHABLE,
            "no server answers at 127.0.0.1:1",
        ),
        (
            from_status(grpc.StatusCode.DEADLINE_EXCEEDED, "late", None),
            ExitCode.UNREACHABLE,
            "DEADLINE_EXCEEDED: late",
        ),
        (
            from_status(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "full", [("grpc-retry-pushback-ms", "250")]
            ),
            ExitCode.REFUSED,
            "RESOURCE_EXHAUSTED: full Try again in 250 ms.",
        ),
        (
            OSError(28, "No space left on device"),
            ExitCode.USAGE,
            "reading or writing failed: No space left on device",
        ),
        (KeyError("x"), ExitCode.BUG, "this is a bug in speech-service: KeyError"),
    ],
)
def test_each_error_has_a_code_and_a_line(error: Exception, code: ExitCode, text: str) -> None:
    failure = explain(error, Access("127.0.0.1:1"))
    assert failure.code is code
    assert str(failure).startswith(text)
    assert "\n" not in str(failure)


def spoken(text: str, segment: int, *, final: bool, stable: int = 0) -> RecognitionResult:
    return RecognitionResult(
        segment_id=segment,
        channel=0,
        revision=1,
        kind=ResultKind.FINAL if final else ResultKind.PARTIAL,
        text=text,
        stable_char_count=stable,
        start_ms=segment * 1000,
        end_ms=segment * 1000 + 500,
    )


def shown(view: LiveView) -> str:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(view.picture())
    return console.export_text()


def test_the_live_view_follows_the_events() -> None:
    view = LiveView("talk.wav", "host:1", "m")
    view.take(SpeechEvent(SpeechEventKind.BEGIN, 1100, 0), 1200)
    view.take(spoken("it was", 1, final=False, stable=3), 1700)
    assert view.speaking
    assert (view.lag_ms, view.first_words_ms) == (200, 600)
    assert "[00:01.0] it was" in shown(view)
    view.take(SpeechEvent(SpeechEventKind.END, 1400, 0), 2000)
    view.take(spoken("it was.", 1, final=True), 2010)
    assert not view.partials
    assert view.final_delays_ms == [610]
    assert "silence" in shown(view)
    view.take(spoken("[bold]times", 2, final=False), 2600)
    assert "[00:02.0] [bold]times" in shown(view)  # Text of others is never markup.
    view.take(spoken("", 2, final=True), 2700)
    assert len(view.finals) == 1
    assert view.summary() == ""
    ended = SessionEnded(Usage(3000, 1500), Latency(first_result_ms=5, p50_lag_ms=7, p95_lag_ms=9))
    view.take(ended, 3000)
    assert view.summary() == (
        "audio 3.0 s, speech 1.5 s; first result 5 ms after the first audio; "
        "finals 7 ms after their audio (median); 9 ms (p95)"
    )


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(0, "00:00.0"), (61_250, "01:01.2"), (6_000_000, "100:00.0")]
)
def test_clock(milliseconds: int, text: str) -> None:
    assert clock(milliseconds) == text


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("0.0.0.0:5", "127.0.0.1:5"),
        ("[::]:5", "127.0.0.1:5"),
        ("10.0.0.1:5", "10.0.0.1:5"),
        ("localhost:5", "localhost:5"),
    ],
)
def test_the_doctor_finds_the_local_server(listen: str, address: str) -> None:
    assert local_address(listen) == address


def test_doctor_checks() -> None:
    assert checks.check_python().verdict is Verdict.OK
    assert checks.check_clock(time.time()).verdict is Verdict.OK
    past = checks.check_clock(1_000_000_000.0)
    assert past.verdict is Verdict.FAIL
    assert past.fix
    (bad,) = checks.check_models(Config(models=(ModelConfig(kind="recognizer/absent"),)))
    assert bad.verdict is Verdict.FAIL
    assert "recognizer/absent" in bad.found
    (foreign,) = ports.check(
        ServerConfig(listen="nowhere.invalid:1", admin_listen="", metrics_listen="")
    )
    assert foreign.verdict is Verdict.FAIL
    assert "server.listen" in foreign.fix
    free = ports.check(
        ServerConfig(listen="127.0.0.1:1", admin_listen="127.0.0.1:2", metrics_listen="")
    )
    assert [check.name for check in free] == ["port, service", "port, admin"]
    assert {check.verdict for check in free} == {Verdict.OK}


def test_doctor_reports_missing_packages() -> None:
    group = checks.check_group("mic", ["rich", "not-there"], Verdict.WARN)
    assert (group.verdict, group.found) == (Verdict.WARN, "missing: not-there")
    assert group.fix.startswith("pip install '.[mic]' in the source folder")
    required = ["rich<16,>=13.7", "av<19,>=18.1; extra == 'server'", 'x; extra == "dev"']
    assert checks.distributions(required, "") == ["rich"]
    assert checks.distributions(required, "server") == ["av"]
