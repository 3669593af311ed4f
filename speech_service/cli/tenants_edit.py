"""Adds a key to the server's file of tenants, or puts one in the place of another, and leaves the rest as it stands."""

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from speech_service.cli.failure import CommandError, ExitCode
from speech_service.edge.auth.tenants import KeyEntry, TenantsFile, parse_tenants


class TenantsEdit:
    """One change of the file. Nothing is written before ``write``, and nothing that the server would not take."""

    def __init__(self, file: Path) -> None:
        """Read it; one that is not there is empty.

        Raises:
            CommandError: it cannot be read.
            ConfigError: the server would not take it as it is.
        """
        self._file = Path(os.path.realpath(file))
        try:
            self._text = self._file.read_bytes().decode("utf-8-sig")
        except FileNotFoundError:
            self._text = ""
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "is no text"
            raise _wrong(f"{file}: {why}") from error
        self._known = parse_tenants(self._text.encode())

    def add(self, entry: Mapping[str, Any], toml: str) -> None:
        """Add an entry of ``keys``, in the form of the file; ``toml`` is the same as TOML.

        Raises:
            CommandError: the tenant has a key of that name.
        """
        tenant, name = entry["tenant"], entry["name"]
        if self._find(tenant, name) is not None:
            raise _wrong(
                f"--name: {tenant!r} has a key {name!r} in {self._file}; choose another name, or say --replace, which "
                "ends that key"
            )
        if self._text.lstrip()[:1] == "{":
            tree: dict[str, Any] = json.loads(self._text)
            tree["keys"] = [*tree.get("keys", []), entry]
            self._take(json.dumps(tree, indent=2, ensure_ascii=False) + "\n")
        else:
            self._take("\n\n".join(filter(None, (self._text.rstrip(), toml))) + "\n")

    def replace(self, tenant: str, name: str, sha256: str) -> None:
        """The tenant's key of that name is another from now on; all else that is said of it stays.

        Raises:
            CommandError: there is none, or it is one that nobody may use.
        """
        entry = self._find(tenant, name)
        if entry is None:
            raise _wrong(f"--replace: {tenant!r} has no key {name!r} in {self._file}")
        if entry.revoked or (entry.expires is not None and entry.expires <= datetime.now(UTC)):
            state = "revoked" if entry.revoked else "expired"
            raise _wrong(
                f"--replace: the key {name!r} is {state} in {self._file}; change that first"
            )
        self._take(self._text.replace(entry.sha256, sha256))

    def write(self) -> None:
        """Put the changed file in the place of the old one, in one step and with its owner and rights.

        Raises:
            CommandError: the folder cannot be written.
        """
        part: str | None = None
        try:
            old = self._file.stat() if self._file.exists() else None
            handle, part = tempfile.mkstemp(dir=self._file.parent, prefix=f".{self._file.name}-")
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(self._text)
                if old is not None:
                    os.fchmod(stream.fileno(), stat.S_IMODE(old.st_mode))
                    if old.st_uid != os.getuid():  # the server's user must still be able to read it
                        os.fchown(stream.fileno(), old.st_uid, old.st_gid)
            Path(part).replace(self._file)
        except OSError as error:
            if part is not None:
                Path(part).unlink(missing_ok=True)
            raise _wrong(f"{self._file}: cannot be written: {error.strerror}") from error

    def _find(self, tenant: str, name: str) -> KeyEntry | None:
        return next((k for k in self._known.keys if (k.tenant, k.name) == (tenant, name)), None)

    def _take(self, text: str) -> None:
        self._known: TenantsFile = parse_tenants(text.encode())
        self._text = text


def _wrong(problem: str) -> CommandError:
    return CommandError(problem, ExitCode.USAGE)
