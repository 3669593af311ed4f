"""The command line. One module per command, imported only when that command runs.

So ``speech-service recognize`` needs the light base only, and starts fast.

What went wrong is one line on stderr and an exit code; ``EXIT_CODES`` is the table.
"""

import argparse
import difflib
import importlib
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

from speech_service import __version__
from speech_service.cli import streams
from speech_service.cli.failure import CommandError, ExitCode, explain
from speech_service.config.environment import silence_grpc
from speech_service.domain.installing import install_extra

if TYPE_CHECKING:
    from speech_service.cli.server_address import Access

COMMANDS = {
    "serve": "run the service",
    "recognize": "write down what is said in files",
    "listen": "show speech becoming text, live, from a file or the microphone",
    "synthesize": "speak a text into a sound file, or aloud",
    "align": "find when each word of a known text is spoken",
    "translate": "translate text, subtitle files or speech",
    "voices": "list the server's voices",
    "languages": "list which languages the server recognizes, speaks, aligns and translates",
    "models": "list the server's models",
    "config": "show the configuration in force, or every key that there is",
    "auth": "make a key for a client, and the entry that the server knows it by",
    "status": "show what a running server holds: workers, models, caches, open calls",
    "drain": "let a running server finish what is open, and end",
    "doctor": "check this installation and the server",
    "demo": "start a server, let it hear, speak, align and translate, show timings, stop it",
    "demo-qwen": "the same for the Qwen3 engine, with a small real model",
    "export-encoder": "write the audio encoder of a Qwen3-ASR checkpoint as an ONNX file",
    "export-codec": "write the codec decoder of a Qwen3-TTS checkpoint as an ONNX file",
    "quantization-report": "measure what eight bits change in each layer of a Qwen3-ASR checkpoint",
}


EXIT_CODES = {
    ExitCode.OK: "everything succeeded",
    ExitCode.REFUSED: "the server refused or failed; a check of `doctor` failed; `align` placed nothing",
    ExitCode.USAGE: "wrong usage: an argument, a file, the configuration",
    ExitCode.UNREACHABLE: "no server answers, or it did not answer in time",
    ExitCode.MISSING_EXTRA: "an extra is not installed; the message says how to install it",
    ExitCode.BUG: "a bug in this program",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
}
"""What each exit code of every command means."""

_ALIKE = 0.6
"""How alike (0 to 1) a wrong word must be to a right one to be taken for it."""


class _Command(Protocol):
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def run(arguments: Sequence[str]) -> int:
    """Run a command line (without the program's name); returns the exit code and never raises."""
    streams.prepare()
    code = _run(arguments)
    try:
        streams.flush()
    except BrokenPipeError:  # The reader of our output (`| head`) has enough.
        streams.discard_output()
    except streams.OutputError as error:
        streams.discard_output()
        if code == ExitCode.OK:
            print(f"speech-service: {error}", file=sys.stderr)
            code = error.code
    return code


def _run(arguments: Sequence[str]) -> int:
    name = next((word for word in arguments if not word.startswith("-")), "")
    if name and name not in COMMANDS:
        wrong = f"there is no command {name!r}.{_did_you_mean(name, COMMANDS)}"
        print(f"speech-service: {wrong} See `speech-service --help`", file=sys.stderr)
        return ExitCode.USAGE
    if name != "serve":  # The service has logs of its own.
        silence_grpc()
    try:
        command = load_command(name) if name else None
    except ModuleNotFoundError as error:
        print(
            f"speech-service: the installation is incomplete, {error.name} is missing. "
            f"Install it again: {install_extra()}",
            file=sys.stderr,
        )
        return ExitCode.MISSING_EXTRA
    parser, of_command = _build(name, command)
    try:
        given, unknown = parser.parse_known_args(arguments)
        if unknown:
            (of_command or parser).refuse(unknown[0])
    except SystemExit as stop:  # argparse has said what is wrong, or has shown help.
        return stop.code if isinstance(stop.code, int) else ExitCode.USAGE
    if command is None:
        parser.print_help()
        return ExitCode.USAGE
    return _guarded(command, given)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other failure is told."""

    def error(self, message: str) -> NoReturn:
        end = "" if message.endswith((".", "?")) else "."
        self.exit(ExitCode.USAGE, f"{self.prog}: {message}{end} See `{self.prog} --help`\n")

    def refuse(self, word: str) -> NoReturn:
        """Refuse a word that nothing takes."""
        option = word.partition("=")[0]
        near = _did_you_mean(option, self._option_string_actions) if option[:1] == "-" else ""
        self.error(f"unknown argument {option!r}.{near}")


def build_parser(name: str = "") -> argparse.ArgumentParser:
    """Build the parser of a command, or that of the program.

    Raises:
        ModuleNotFoundError: the installation lacks a package that the command needs to tell its options.
    """
    parser, own = _build(name, load_command(name) if name else None)
    return own or parser


def _build(name: str, command: _Command | None) -> tuple[_Parser, _Parser | None]:
    """Give the parser of the program, and that of the named command."""
    parser = _Parser(
        prog="speech-service",
        description="A gRPC-native streaming speech service: server, client and tools.",
        epilog="exit codes:\n"
        + "".join(f"  {int(code):<4} {meaning}\n" for code, meaning in EXIT_CODES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"speech-service {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command")
    own: _Parser | None = None
    for each, summary in COMMANDS.items():
        sub = commands.add_parser(each, help=summary, description=f"{summary.capitalize()}.")
        if command is not None and each == name:
            own = sub
            command.add_arguments(sub)
            sub.add_argument(
                "-v", "--verbose", action="store_true", help="say more when something goes wrong"
            )
    return parser, own


def _did_you_mean(given: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(given, known, 1, _ALIKE)
    return f" Did you mean {close[0]}?" if close else ""


def load_command(name: str) -> _Command:
    """Import the module of a command."""
    return cast(
        _Command, importlib.import_module(f"speech_service.cli.commands.{name.replace('-', '_')}")
    )


def _guarded(command: _Command, given: argparse.Namespace) -> int:
    """Run a command; whatever goes wrong becomes one line on stderr and an exit code."""
    try:
        return command.run(given)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:  # The reader of our output (`| head`) has enough.
        streams.discard_output()
        return ExitCode.OK
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback reaches a user unasked
        failure = explain(error, _access(given), given)
        _report(given, failure)
        if given.verbose and failure.code is ExitCode.BUG:
            traceback.print_exception(error)
        return failure.code


def _access(given: argparse.Namespace) -> "Access | None":
    """Say how the command reached for a server; None for one that does not."""
    if not getattr(given, "server", None):
        return None
    from speech_service.cli.arguments import access

    return access(given)


def _report(given: argparse.Namespace, failure: CommandError) -> None:
    print(f"speech-service {given.command}: {failure}", file=sys.stderr)
    if given.verbose and failure.details:
        print(failure.details, file=sys.stderr)
