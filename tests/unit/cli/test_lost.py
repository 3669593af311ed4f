"""Connections that are lost, and commands that are interrupted, while nothing else is wrong."""

import argparse
import signal
import subprocess
import sys

import grpc
import pytest

from speech_client.errors import SpeechApiError, from_status, interrupted
from speech_service.cli.arguments import add_connection
from speech_service.cli.failure import CommandError, ExitCode
from speech_service.cli.lost import telling_loss


def given() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_connection(parser)
    return parser.parse_args(["--server", "127.0.0.1:1"])


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (
            from_status(grpc.StatusCode.UNAVAILABLE, "Socket closed", None),
            ExitCode.UNREACHABLE,
            "no server answers at 127.0.0.1:1",
        ),
        (interrupted("r1"), ExitCode.REFUSED, "STREAM_INTERRUPTED"),
    ],
)
def test_how_far_it_came_is_told(error: SpeechApiError, code: ExitCode, says: str) -> None:
    with (
        pytest.raises(CommandError) as caught,
        telling_loss(given(), lambda: 3200, "the text ends there"),
    ):
        raise error
    said = str(caught.value)
    assert said.startswith(
        f"the connection was lost after 3.2 s of audio; the text ends there: {says}"
    )
    assert (caught.value.code, "\n" in said) == (code, False)


def test_a_stream_that_never_began_and_other_errors_are_told_as_they_are() -> None:
    refused = from_status(grpc.StatusCode.UNAVAILABLE, "refused", None)
    wrong = from_status(grpc.StatusCode.INVALID_ARGUMENT, "wrong", None)
    with pytest.raises(SpeechApiError) as caught, telling_loss(given(), lambda: None, ""):
        raise refused
    assert caught.value is refused
    with pytest.raises(SpeechApiError) as caught, telling_loss(given(), lambda: 5, ""):
        raise wrong
    assert caught.value is wrong


_INTERRUPTED_IMPORT = """
import signal, sys
class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
sys.argv[1:] = ["models", "--server", "127.0.0.1:1"]
from speech_service.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    "module", ["speech_service.cli", "speech_service.cli.commands.models", "speech_client.client"]
)
def test_ctrl_c_while_modules_are_imported_is_quiet(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_IMPORT.format(module=module)],
        capture_output=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
