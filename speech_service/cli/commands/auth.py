"""``speech-service auth``: make a key for a client, and the entry that the server knows it by."""

import argparse
import hashlib
import os
import secrets
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

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
        "new-key writes the entry to --tenants-file, else to standard output; the key goes to --key-file, else to "
        "standard error, and is kept nowhere. hash-key reads a key from --key-file, else from standard input, and "
        "prints its SHA-256. docs/auth.md"
    )
    parser.add_argument(
        "action", choices=("new-key", "hash-key"), metavar="new-key|hash-key", help="what to do"
    )
    parser.add_argument("--tenant", default="", metavar="NAME", help="whose the new key is")
    parser.add_argument(
        "--name",
        default="",
        metavar="NAME",
        help="what logs call the new key; a tenant has one key of a name (default: key- and a part of its SHA-256)",
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
        "--tenants-file",
        type=Path,
        metavar="FILE",
        help="auth.tenants_file of the server, to which the entry is added",
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="put the new key in the place of the one of that name in --tenants-file, which keeps scopes, end and "
        "quotas, and in --key-file",
    )
    parser.add_argument(
        "--key-file", type=Path, metavar="FILE", help="file that the key goes to, or is read from"
    )


def run(given: argparse.Namespace) -> int:
    """Do it.

    Raises:
        CommandError: an argument is missing or wrong, or a file exists already or cannot be used.
        ConfigError: the file of tenants is wrong.
    """
    if given.action == "new-key":
        _new_key(given)
        return ExitCode.OK
    for option in ("tenant", "name", "scope", "expires", "tenants_file", "replace"):
        if getattr(given, option):
            raise _wrong(f"--{option.replace('_', '-')}: is for new-key")
    print(_sha256(_key(given.key_file)))
    return ExitCode.OK


def _new_key(given: argparse.Namespace) -> None:
    key = _PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    digest = _sha256(key)
    name = given.name or f"key-{digest[:8]}"
    for option, value in (("--tenant", given.tenant), ("--name", name)):
        if not is_tenant_name(value):
            raise _wrong(f"{option}: {value!r} is not a name of 1 to 64 printable bytes")
    if given.replace:
        _check_replace(given)
    if given.key_file is not None and given.key_file.exists() and not given.replace:
        raise _wrong(f"{given.key_file}: exists already; a key in it would be lost")
    entry = {"name": name, "tenant": given.tenant, "sha256": digest}
    if given.scope:
        entry["scopes"] = given.scope
    if given.expires is not None:
        entry["expires"] = given.expires.isoformat()
    with _for_its_owner(given.key_file, key):
        if given.tenants_file is None:
            print(_toml(entry), end="\n\n")
        else:
            _enter(given, entry)


def _enter(given: argparse.Namespace, entry: Mapping[str, Any]) -> None:
    # What reads the server's file needs none of it for the other commands.
    from speech_service.cli.tenants_edit import TenantsEdit

    edit = TenantsEdit(given.tenants_file)
    if given.replace:
        edit.replace(given.tenant, entry["name"], entry["sha256"])
    else:
        edit.add(entry, _toml(entry))
    edit.write()


def _check_replace(given: argparse.Namespace) -> None:
    if given.tenants_file is None or not given.name:
        raise _wrong("--replace: needs --tenants-file and --name, which say what is replaced")
    if given.scope or given.expires is not None:
        problem = "the entry keeps its own; change it in the file"
        raise _wrong(f"--replace: does not go with --scope or --expires: {problem}")


def _toml(entry: Mapping[str, Any]) -> str:
    """As it stands in the file. A time is written as one, not as text."""
    lines = ["[[keys]]"]
    for name, value in entry.items():
        lines.append(f"{name} = {value if name == 'expires' else toml_value(value)}")
    return "\n".join(lines)


def _wrong(problem: str) -> CommandError:
    return CommandError(problem, ExitCode.USAGE)


@contextmanager
def _for_its_owner(file: Path | None, key: str) -> Generator[None]:
    """Give the key to whoever asked for it, unless what the block does fails; then nothing is left of it."""
    if file is None:
        yield
        print(f"The key, which is kept nowhere: {key}", file=sys.stderr)
        return
    part = file.with_name(f".{file.name}-{secrets.token_hex(4)}")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise _wrong(f"{file}: cannot be made: {error.strerror}") from error
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(key + "\n")
        yield
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


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
