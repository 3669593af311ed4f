"""``auth``: keys for clients, and what the server holds of them."""

import hashlib
import io
import stat
import tomllib
from pathlib import Path

import pytest

from speech_service.cli import run
from speech_service.edge.auth.tenants import KnownCallers, parse_tenants


def test_a_new_key_is_known_by_its_entry(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "acme.key"
    options = ("--scope", "admin", "--expires", "2090-01-31T00:00:00Z", "--key-file", str(file))
    assert run(["auth", "new-key", "--tenant", 'a"b', "--name", "web", *options]) == 0
    entry, told = capsys.readouterr()
    key = file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key not in entry + told
    principal = KnownCallers(parse_tenants(entry.encode())).by_key(key)
    assert (principal.tenant, principal.subject) == ('a"b', "web")
    assert principal.scopes == {"admin"}
    assert run(["auth", "hash-key", "--key-file", str(file)]) == 0
    assert capsys.readouterr().out.strip() == hashlib.sha256(key.encode()).hexdigest()
    assert run(["auth", "new-key", "--tenant", "b", "--key-file", str(file)]) == 2
    assert file.read_text().strip() == key


def test_a_key_goes_to_the_terminal_where_no_file_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["auth", "new-key", "--tenant", "acme"]) == 0
    entry, told = capsys.readouterr()
    key = told.split()[-1]
    digest = tomllib.loads(entry)["keys"][0]["sha256"]
    assert hashlib.sha256(key.encode()).hexdigest() == digest


@pytest.mark.parametrize(
    ("words", "given", "problem"),
    [
        (("new-key",), "", "--tenant: ''"),
        (("new-key", "--tenant", "a\nb"), "", "--tenant"),
        (("new-key", "--tenant", "a", "--expires", "2030-01-01"), "", "time with its zone"),
        (("hash-key",), "too short", "32 printable ASCII characters"),
        (("hash-key",), "a" * 30 + ".b.c", "taken for a token"),
        (("hash-key", "--key-file", "absent"), "", "absent: No such file"),
        (("make-coffee",), "", "invalid choice"),
    ],
)
def test_wrong_usage(
    words: tuple[str, ...],
    given: str,
    problem: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(given))
    assert run(["auth", *words]) == 2
    assert problem in capsys.readouterr().err
