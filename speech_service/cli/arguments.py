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
from speech_service.cli.failure import CommandError, ExitCode

DEFAULT_SERVER = "localhost:50051"


def add_connection(parser: argparse.ArgumentParser) -> None:
    """How to reach the server."""
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--server", default=DEFAULT_SERVER, metavar="HOST:PORT", help="default: %(default)s"
    )
    group.add_argument("--tls", action="store_true", help="use TLS with the system's authorities")
    group.add_argument(
        "--tls-ca", type=Path, metavar="PEM", help="authority of the server; implies --tls"
    )
    group.add_argument("--tls-cert", type=Path, metavar="PEM", help="own certificate (mutual TLS)")
    group.add_argument("--tls-key", type=Path, metavar="PEM", help="key of --tls-cert")
    group.add_argument("--token-file", type=Path, metavar="FILE", help="bearer token to send")
    group.add_argument("--request-id", default="", metavar="ID", help="sent as x-request-id")


def add_recognition(parser: argparse.ArgumentParser) -> None:
    """How to recognize."""
    group = parser.add_argument_group("recognition")
    group.add_argument("--model", default="", help="name as in `models`; default: the server's")
    group.add_argument("--language", metavar="CODE", help="BCP-47 code, such as en or pt-BR")
    group.add_argument(
        "--raw",
        type=_raw_audio,
        metavar="ENCODING:HZ[:CHANNELS]",
        help=f"the input is headerless; encodings: {', '.join(ENCODINGS)}",
    )


def connect(given: argparse.Namespace, retry: RetryPolicy | None = None) -> SpeechClient:
    """The client that the arguments ask for.

    Raises:
        CommandError: a TLS or token file cannot be read.
    """
    tls = None
    if given.tls or given.tls_ca or given.tls_cert:
        tls = TlsOptions(given.tls_ca, given.tls_cert, given.tls_key)
    try:
        token = given.token_file.read_text().strip() if given.token_file else ""
        call = CallOptions(
            request_id=given.request_id, authorization=f"Bearer {token}" if token else ""
        )
        return SpeechClient.connect(given.server, tls=tls, call=call, retry=retry)
    except OSError as error:
        raise CommandError(
            f"{error.filename}: cannot be read: {error.strerror}", ExitCode.USAGE
        ) from error


def recognition_options(given: argparse.Namespace) -> RecognizeOptions:
    """The recognition options that the arguments ask for."""
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
    return RawAudio(int(rate), encoding, int(channels or 1))
