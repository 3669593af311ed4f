"""``serve``'s arguments, and what configuration errors say of where a value came from."""

import argparse
import json
from pathlib import Path

import pytest

from speech_service.cli import run
from speech_service.cli.commands import serve
from speech_service.cli.failure import ExitCode
from speech_service.config.environment import local_address
from speech_service.config.load import load_config
from speech_service.config.tree import ConfigError, ServerConfig


def test_a_second_server_needs_one_argument(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    assert parser.parse_args(["--port", "6000"]).port == 6000
    assert serve.ports(ServerConfig(), 6000) == [
        "server.listen=127.0.0.1:6000",
        "server.admin_listen=127.0.0.1:6001",
        "server.metrics_listen=127.0.0.1:6002",
    ]
    apart = ServerConfig(listen="[::]:1", admin_listen="unix:/run/admin", metrics_listen="")
    assert serve.ports(apart, 6000) == ["server.listen=[::]:6000"]
    for wrong in (["--port", "0"], ["--port", "65534"], ["--port", "1", "--listen", "a:1"]):
        with pytest.raises(SystemExit):
            parser.parse_args(wrong)
    assert "is not a port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "env", "sets", "source"),
    [
        ("[server]\nmax_streams = 'many'", {}, [], "the file"),
        (
            "[server]\nmax_streams = 1",
            {"SPEECH_SERVER__MAX_STREAMS": "x"},
            [],
            "SERVER__MAX_STREAMS",
        ),
        ("", {"SPEECH_WORKER__MODE": "x"}, ["server.max_streams=1"], "SPEECH_WORKER__MODE"),
        ("", {"SPEECH_SERVER__MAX_STREAMS": "1"}, ["server.port=1"], "the command line"),
        ("", {"SPEECH_SERVER__NOPE": "1"}, ["server.max_streams=1"], "SPEECH_SERVER__NOPE"),
        ("[server]\nnope = 1", {"SPEECH_SERVER__MAX_STREAMS": "1"}, [], "the file"),
        # A wrong value that a later source replaces is no error; the one that is left is named.
        ("[server]\nmax_streams = 'x'", {"SPEECH_SERVER__MAX_STREAMS": "y"}, [], "environment"),
        ("[server]\nmax_streams = 'x'", {}, ["server.max_streams=y"], "the command line"),
        ("[[models]]\nkind = 1", {"SPEECH_SERVER__MAX_STREAMS": "1"}, [], "the file"),
    ],
)
def test_errors_name_the_source(
    file: str, env: dict[str, str], sets: list[str], source: str, tmp_path: Path
) -> None:
    path = tmp_path / "speech.toml"
    path.write_text(file)
    with pytest.raises(ConfigError) as caught:
        load_config(path, sets, env)
    assert source in str(caught.value).rpartition(" (from ")[2]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SPEECH_SERVER_LISTEN", "SPEECH_SERVER__LISTEN"),
        ("SPEECH_WORKER_IDLE_TIMEOUT_S", "SPEECH_WORKER__IDLE_TIMEOUT_S"),
        ("SPEECH_OBSERVABILITY_LOG_FORMAT", "SPEECH_OBSERVABILITY__LOG_FORMAT"),
        ("SPEECH_SERVER_LISTN", "SPEECH_SERVER__LISTEN"),
    ],
)
def test_a_variable_with_one_underscore_is_not_ignored(name: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}.*Did you mean {meant}"):
        load_config(environment={name: "x"})


def test_variables_of_others_are_left_alone() -> None:
    kubernetes = {
        "SPEECH_SERVICE_HOST": "10.0.0.1",
        "SPEECH_SERVICE_PORT_GRPC": "50051",
        "SPEECH_PORT_50051_TCP_ADDR": "10.0.0.1",
        "SPEECH_SERVER_PORT": "tcp://10.0.0.1:50051",
        "SPEECH_SERVER": "localhost:50051",
    }
    assert load_config(environment=kubernetes) == load_config(environment={})


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("0.0.0.0:5", "127.0.0.1:5"),
        ("[::]:5", "127.0.0.1:5"),
        (":5", "127.0.0.1:5"),
        ("a:5", "a:5"),
    ],
)
def test_local_addresses(listen: str, address: str) -> None:
    assert local_address(listen) == address


@pytest.mark.parametrize(
    ("file", "env", "sets"),
    [
        ("", {}, ["observability.log_format=json"]),
        ("", {"SPEECH_OBSERVABILITY__LOG_FORMAT": "json"}, []),
        ('observability.log_format = "json"', {}, []),
        ('observability.log_format = "text"', {}, ["observability.log_format=json"]),
    ],
)
def test_what_is_wrong_is_a_json_line_where_json_is_asked_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    file: str,
    env: dict[str, str],
    sets: list[str],
) -> None:
    path = tmp_path / "service.toml"
    path.write_text(f"{file}\n")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    wrong = [
        "--set",
        "server.max_streams=many",
        *(word for each in sets for word in ("--set", each)),
    ]
    assert run(["serve", "--config", str(path), *wrong]) == ExitCode.USAGE
    out, err = capfd.readouterr()
    assert not out
    (record,) = [json.loads(line) for line in err.splitlines()]
    assert record["level"] == "ERROR"
    assert "server.max_streams" in record["message"]


def test_the_first_of_two_ports_that_is_wrong_is_a_json_line_too(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(["serve", "--port", "5", "--log-format", "json", "--set", "no=1"]) == ExitCode.USAGE
    assert json.loads(capfd.readouterr().err)["level"] == "ERROR"


def test_what_is_wrong_is_text_where_text_is_asked_for(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "service.toml"
    path.write_text('observability.log_format = "json"\nnothing = 1\n')
    assert run(["serve", "--config", str(path), "--log-format", "text"]) == ExitCode.USAGE
    assert capfd.readouterr().err.startswith("speech-service serve: nothing: unknown key")
