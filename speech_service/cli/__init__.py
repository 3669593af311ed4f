"""The command line. One module per command, imported only when that command runs.

So ``speech-service recognize`` needs the light base only, and starts fast.

Exit codes:
    0    everything succeeded
    1    the server refused or failed, or a check of ``doctor`` failed
    2    wrong usage: an argument, a file, the configuration
    3    no server answers, or it did not answer in time
    4    an extra is not installed; the message says which command installs it
    70   a bug in this program
    130  interrupted (Ctrl-C)
"""

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from speech_service import __version__
from speech_service.cli.failure import CommandError, ExitCode

COMMANDS = {
    "serve": "run the service",
    "recognize": "transcribe files",
    "listen": "show speech becoming text, live, from a file or the microphone",
    "synthesize": "speak a text into a sound file, or aloud",
    "align": "find when each word of a known text is spoken",
    "translate": "translate text, subtitle files or speech",
    "voices": "list the server's voices",
    "languages": "list which languages the server recognizes, speaks, aligns and translates",
    "models": "list the server's models",
    "doctor": "check this installation and the server",
    "demo": "start a server, let it hear, speak, align and translate, show timings, stop it",
    "demo-qwen": "the same for the Qwen3 engine, with a small real model",
    "export-encoder": "write the audio encoder of a Qwen3-ASR checkpoint as an ONNX file",
    "export-codec": "write the codec decoder of a Qwen3-TTS checkpoint as an ONNX file",
    "quantization-report": "measure what eight bits change in each layer of a Qwen3-ASR checkpoint",
}


class _Command(Protocol):
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def run(arguments: Sequence[str]) -> int:
    """Run a command line (without the program's name); returns the exit code and never raises."""
    name = next((word for word in arguments if word in COMMANDS), "")
    try:
        command = _load(name) if name else None
    except ModuleNotFoundError as error:
        print(
            f"speech-service: the installation is incomplete, {error.name} is missing. "
            "Install it again: pip install speech-service",
            file=sys.stderr,
        )
        return ExitCode.MISSING_EXTRA
    try:
        given = build_parser(name, command).parse_args(arguments)
    except SystemExit as stop:  # argparse has said what is wrong, or has shown help.
        return stop.code if isinstance(stop.code, int) else ExitCode.USAGE
    if command is None:
        build_parser("", None).print_help()
        return ExitCode.USAGE
    return _guarded(command, given)


def build_parser(name: str, command: _Command | None) -> argparse.ArgumentParser:
    """The parser; only the named command has its own arguments, the others just their help line."""
    parser = argparse.ArgumentParser(
        prog="speech-service",
        description="A gRPC-native streaming speech service: server, client and tools.",
    )
    parser.add_argument("--version", action="version", version=f"speech-service {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command")
    for each, summary in COMMANDS.items():
        sub = commands.add_parser(each, help=summary, description=f"{summary.capitalize()}.")
        if command is not None and each == name:
            command.add_arguments(sub)
            sub.add_argument(
                "-v", "--verbose", action="store_true", help="say more when something goes wrong"
            )
    return parser


def _load(name: str) -> _Command:
    return cast(_Command, importlib.import_module(f"speech_service.cli.{name.replace('-', '_')}"))


def _guarded(command: _Command, given: argparse.Namespace) -> int:
    """Run a command; whatever goes wrong becomes one line on stderr and an exit code."""
    from speech_service.cli.failure import explain

    try:
        return command.run(given)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:  # The reader of our output (`| head`) has enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback reaches a user unasked
        failure = explain(error, getattr(given, "server", ""))
        _report(given, failure)
        if given.verbose and failure.code is ExitCode.BUG:
            traceback.print_exception(error)
        return failure.code


def _report(given: argparse.Namespace, failure: CommandError) -> None:
    print(f"speech-service {given.command}: {failure}", file=sys.stderr)
    if given.verbose and failure.details:
        print(failure.details, file=sys.stderr)
