"""Arguments that several commands share, and what they become."""

import argparse
from pathlib import Path

from speech_client import (
    CallOptions,
    RawAudio,
    RecognizeOptions,
    RetryPolicy,
    SpeechClient,
    TlsOptions,
)
from speech_client.options import ENCODINGS, Encoding
from speech_service.cli import server_address
from speech_service.cli.failure import CommandError, ExitCode
from speech_service.config.environment import (
    ENV_API_KEY,
    ENV_SERVER,
    client_api_key,
    client_server,
)


def add_connection(parser: argparse.ArgumentParser, otherwise: str | None = None) -> None:
    """Declare how to reach the server; ``otherwise`` says what is called where neither ``--server`` nor SPEECH_SERVER
    does."""
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--server",
        type=address,
        metavar="HOST:PORT",
        help=f"address, also unix:PATH; default: {ENV_SERVER} of the environment, "
        f"else {otherwise or server_address.DEFAULT}",
    )
    group.add_argument("--tls", action="store_true", help="use TLS with the system's authorities")
    group.add_argument(
        "--tls-ca", type=Path, metavar="PEM", help="authority of the server; implies --tls"
    )
    group.add_argument("--tls-cert", type=Path, metavar="PEM", help="own certificate (mutual TLS)")
    group.add_argument("--tls-key", type=Path, metavar="PEM", help="key of --tls-cert")
    add_credentials(group)
    group.add_argument(
        "--request-id", type=_header, default="", metavar="ID", help="sent as x-request-id"
    )


def add_credentials(group: "argparse._ArgumentGroup") -> None:  # pyright: ignore[reportPrivateUsage] - argparse has no other name for it
    """Declare who calls."""
    group.add_argument(
        "--api-key-file",
        type=Path,
        metavar="FILE",
        help=f"key to send; default: {ENV_API_KEY} of the environment",
    )
    group.add_argument("--token-file", type=Path, metavar="FILE", help="bearer token to send")


def add_priority(parser: argparse.ArgumentParser) -> None:
    """Declare how urgent the calls are, for commands whose work can wait."""
    parser.add_argument(
        "--priority",
        choices=("default", "batch"),
        help="batch: give way to all that others wait for; files that are streamed do so anyway",
    )


def add_recognition(parser: argparse.ArgumentParser) -> None:
    """Declare how to recognize."""
    group = parser.add_argument_group("recognition")
    group.add_argument("--model", default="", help="name as in `models`; default: the server's")
    group.add_argument("--language", metavar="CODE", help="BCP-47 code, such as en or pt-BR")
    group.add_argument(
        "--raw",
        type=_raw_audio,
        metavar="ENCODING:HZ[:CHANNELS]",
        help=f"the input is headerless; encodings: {', '.join(ENCODINGS)}",
    )


def choose_server(given: argparse.Namespace, otherwise: str = server_address.DEFAULT) -> None:
    """Set ``given.server``: what was said, else SPEECH_SERVER, else ``otherwise``.

    Raises:
        CommandError: SPEECH_SERVER is no address.
    """
    if given.server is None:
        named = client_server()
        try:
            given.server = server_address.parse(named) if named else otherwise
        except ValueError as error:
            raise CommandError(f"{ENV_SERVER}: {error}", ExitCode.USAGE) from error


def connect(given: argparse.Namespace, retry: RetryPolicy | None = None) -> SpeechClient:
    """Give the client that the arguments ask for.

    Raises:
        CommandError: a TLS or token file cannot be read, or is not one; SPEECH_SERVER is no address.
    """
    choose_server(given)
    tls = None
    if uses_tls(given):
        if bool(given.tls_cert) != bool(given.tls_key):
            raise CommandError("--tls-cert and --tls-key go together", ExitCode.USAGE)
        for file in filter(None, (given.tls_ca, given.tls_cert, given.tls_key)):
            _check_pem(file)
        tls = TlsOptions(given.tls_ca, given.tls_cert, given.tls_key)
    call = CallOptions(request_id=given.request_id, priority=vars(given).get("priority"))
    key, token = credentials(given)
    return SpeechClient.connect(
        given.server, tls=tls, call=call, retry=retry, api_key=key, token=token
    )


def credentials(given: argparse.Namespace) -> tuple[str, str]:
    """Give the key and the token that the arguments or the environment name; one of them at most.

    Raises:
        CommandError: a file cannot be read, or holds none; SPEECH_API_KEY is no key.
    """
    if given.api_key_file and given.token_file:
        raise CommandError("--api-key-file or --token-file, not both", ExitCode.USAGE)
    if given.token_file:
        return "", _secret(given.token_file, "token")
    if given.api_key_file:
        return _secret(given.api_key_file, "key"), ""
    try:
        return _header(client_api_key()), ""
    except argparse.ArgumentTypeError as error:
        raise CommandError(f"{ENV_API_KEY}: {error}", ExitCode.USAGE) from None


def uses_tls(given: argparse.Namespace) -> bool:
    """Whether the arguments ask for TLS."""
    return bool(given.tls or given.tls_ca or given.tls_cert or given.tls_key)


def access(given: argparse.Namespace) -> server_address.Access:
    """Say how the arguments make a client reach for the server."""
    return server_address.Access(
        given.server,
        uses_tls(given),
        given.tls_ca,
        given.tls_cert is not None,
        vars(given).get("admin", False),
    )


def _check_pem(file: Path) -> None:
    if b"-----BEGIN " not in _read(file):
        raise CommandError(f"{file}: is no PEM file", ExitCode.USAGE)


def _secret(file: Path, what: str) -> str:
    secret = _read(file).decode("utf-8", "replace").strip()
    if not secret:
        raise CommandError(f"{file}: holds no {what}: it is empty", ExitCode.USAGE)
    try:
        return _header(secret)
    except argparse.ArgumentTypeError as error:
        raise CommandError(f"{file}: holds no {what}: {error}", ExitCode.USAGE) from None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: cannot be read: {error.strerror}", ExitCode.USAGE) from error


def address(text: str) -> str:
    """Give an address of a server, as the type of an argument."""
    try:
        return server_address.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _header(text: str) -> str:
    """Give a value that a header can carry: printable ASCII."""
    if not (text.isascii() and text.isprintable()):
        raise argparse.ArgumentTypeError("it may hold printable ASCII characters only")
    return text


def recognition_options(given: argparse.Namespace) -> RecognizeOptions:
    """Give the recognition options that the arguments ask for."""
    options = RecognizeOptions()
    if given.model:
        options["model"] = given.model
    if given.language:
        options["language"] = given.language
    if given.raw is not None:
        options["format"] = given.raw
    return options


def _raw_audio(text: str) -> RawAudio:
    name, _, rest = text.partition(":")
    rate, _, channels = rest.partition(":")
    encodings: dict[str, Encoding] = {known: known for known in ENCODINGS}
    encoding = encodings.get(name)
    if encoding is None or not rate.isdecimal() or not (channels or "1").isdecimal():
        raise argparse.ArgumentTypeError(
            f"{text!r} is not ENCODING:HZ[:CHANNELS], such as pcm_s16le:16000"
        )
    try:
        return RawAudio(int(rate), encoding, int(channels or 1))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None
