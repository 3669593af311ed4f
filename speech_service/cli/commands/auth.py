"""``speech-service auth``: make a key for a client, and the entry that the server knows it by."""

import argparse
import hashlib
import os
import secrets
import sys
from datetime import datetime
from pathlib import Path

from speech_service.cli.failure import CommandError, ExitCode
from speech_service.config.reference import toml_value
from speech_service.domain.principal import is_tenant_name

_PREFIX = "spk_"
"""So that a key that lies where it should not is found by those who look for lost secrets."""
_KEY_BYTES = 32
_LEAST_CHARACTERS = 32
"""Of a key that somebody else made: SHA-256 alone protects no secret that can be guessed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = (
        "new-key prints the entry for auth.tenants_file; the key goes to --key-file, else to standard error, and is "
        "kept nowhere. hash-key reads a key from --key-file, else from standard input, and prints its SHA-256. "
        "docs/auth.md"
    )
    parser.add_argument("action", choices=("new-key", "hash-key"), help="what to do")
    parser.add_argument("--tenant", default="", metavar="NAME", help="whose the new key is")
    parser.add_argument(
        "--name", default="", metavar="NAME", help="what logs call the new key (default: default)"
    )
    parser.add_argument(
        "--scope",
        action="append",
        default=[],
        metavar="SCOPE",
        help="what the new key may do beside; admin: the admin port; may be repeated",
    )
    parser.add_argument(
        "--expires",
        type=_time,
        metavar="TIME",
        help="when the new key ends, such as 2027-01-31T00:00:00Z (default: never)",
    )
    parser.add_argument(
        "--key-file", type=Path, metavar="FILE", help="file that the key goes to, or is read from"
    )


def run(given: argparse.Namespace) -> int:
    """Do it.

    Raises:
        CommandError: an argument is missing or wrong, or a file exists already or cannot be used.
    """
    if given.action == "new-key":
        _new_key(given)
    else:
        print(_sha256(_key(given.key_file)))
    return ExitCode.OK


def _new_key(given: argparse.Namespace) -> None:
    name = given.name or "default"
    for option, value in (("--tenant", given.tenant), ("--name", name)):
        if not is_tenant_name(value):
            problem = f"{option}: {value!r} is not a name of 1 to 64 printable bytes"
            raise CommandError(problem, ExitCode.USAGE)
    key = _PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    if given.key_file is None:
        print(f"The key, which is kept nowhere: {key}", file=sys.stderr)
    else:
        _write(given.key_file, key)
    lines = [
        "[[keys]]",
        f"name = {toml_value(name)}",
        f"tenant = {toml_value(given.tenant)}",
        f"sha256 = {toml_value(_sha256(key))}",
    ]
    if given.scope:
        lines.append(f"scopes = {toml_value(given.scope)}")
    if given.expires is not None:
        lines.append(f"expires = {given.expires.isoformat()}")
    print("\n".join(lines), end="\n\n")


def _write(file: Path, key: str) -> None:
    """For the eyes of its owner."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandError(f"{file}: cannot be made: {error.strerror}", ExitCode.USAGE) from error
    with os.fdopen(handle, "w") as stream:
        stream.write(key + "\n")


def _key(file: Path | None) -> str:
    try:
        key = (sys.stdin.read() if file is None else file.read_text()).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "is no text"
        raise CommandError(f"{file or 'standard input'}: {why}", ExitCode.USAGE) from error
    if len(key) < _LEAST_CHARACTERS or not key.isascii() or not key.isprintable() or " " in key:
        raise CommandError(
            f"a key is {_LEAST_CHARACTERS} printable ASCII characters or more, without spaces; "
            "`speech-service auth new-key` makes one",
            ExitCode.USAGE,
        )
    if key.count(".") == 2:
        raise CommandError("a key with two dots is taken for a token", ExitCode.USAGE)
    return key


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time with its zone, such as 2027-01-31T00:00:00Z"
        )
    return time
