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
        (("new-key", "--tenant", "a", "--replace"), "", "--replace: needs --tenants-file"),
        (("hash-key", "--tenant", "a"), "", "--tenant: is for new-key"),
        (("hash-key", "--replace"), "", "--replace: is for new-key"),
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


def new_key(file: Path, *more: str, name: str = "web") -> int:
    return run(
        ["auth", "new-key", "--tenant", "acme", "--name", name, "--tenants-file", str(file), *more]
    )


TOML = """# ours
[tenants.acme]
max_streams = 20

[[keys]]
name = "old"  # of last year
tenant = "acme"
sha256 = "b5d4045c3f466fa91fe2cc6abe79232a1a57cdf104f7a26e716e0a1e2789df78"
quotas = {max_streams = 1}
"""
JSON = """{"tenants": {"acme": {"max_streams": 20}}, "keys": [{"name": "old", "tenant": "acme", "sha256":
"b5d4045c3f466fa91fe2cc6abe79232a1a57cdf104f7a26e716e0a1e2789df78", "quotas": {"max_streams": 1}}]}"""


@pytest.mark.parametrize("before", ["", TOML, JSON], ids=["none", "toml", "json"])
def test_a_key_is_added_to_the_file_and_never_twice_by_one_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], before: str
) -> None:
    file, key = tmp_path / "tenants", tmp_path / "web.key"
    if before:
        file.write_text(before)
        file.chmod(0o640)
    assert new_key(file, "--key-file", str(key), "--expires", "2090-01-31T00:00:00Z") == 0
    text, known = file.read_text(), parse_tenants(file.read_bytes())
    assert text.startswith("# ours" if before is TOML else before[:1])
    assert KnownCallers(known).by_key(key.read_text().strip()).subject == "web"
    assert [k.name for k in known.keys] == (["old", "web"] if before else ["web"])
    assert stat.S_IMODE(file.stat().st_mode) == (0o640 if before else 0o600)
    assert capsys.readouterr() == ("", "")

    assert new_key(file, "--key-file", str(tmp_path / "other.key")) == 2
    assert "'acme' has a key 'web'" in capsys.readouterr().err
    assert file.read_text() == text
    assert sorted(each.name for each in tmp_path.iterdir()) == ["tenants", "web.key"]
    assert new_key(file, name="another") == 0
    assert len(parse_tenants(file.read_bytes()).keys) == len(known.keys) + 1


@pytest.mark.parametrize("before", [TOML, JSON], ids=["toml", "json"])
def test_a_key_is_replaced_and_keeps_what_is_said_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], before: str
) -> None:
    file, key = tmp_path / "tenants", tmp_path / "old.key"
    file.write_text(before)
    key.write_text("the key of before")
    assert new_key(file, "--key-file", str(key), "--replace", name="old") == 0
    (entry,) = parse_tenants(file.read_bytes()).keys
    assert entry.sha256 == hashlib.sha256(key.read_text().strip().encode()).hexdigest()
    assert file.read_text() == before.replace(
        "b5d4045c3f466fa91fe2cc6abe79232a1a57cdf104f7a26e716e0a1e2789df78", entry.sha256
    )
    for more, name, problem in (
        ((), "absent", "has no key"),
        (("--scope", "admin"), "old", "does not go with --scope"),
    ):
        assert new_key(file, "--replace", *more, name=name) == 2
        assert problem in capsys.readouterr().err
    text = file.read_text()
    revoked = (
        text.replace('"old"', '"old", "revoked": true', 1)
        if before is JSON
        else text + "revoked = true"
    )
    file.write_text(revoked)
    assert new_key(file, "--replace", name="old") == 2
    assert "is revoked" in capsys.readouterr().err
    assert file.read_text() == revoked


def test_a_file_that_the_server_would_not_take_is_not_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, key = tmp_path / "tenants", tmp_path / "web.key"
    file.write_text("keys = 7")
    assert new_key(file, "--key-file", str(key)) == 2
    assert "auth.tenants_file.keys" in capsys.readouterr().err
    assert file.read_text() == "keys = 7"
    assert [each.name for each in tmp_path.iterdir()] == ["tenants"]


def test_keys_that_nobody_named_have_names_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        assert run(["auth", "new-key", "--tenant", "acme"]) == 0
    assert len(parse_tenants(capsys.readouterr().out.encode()).keys) == 3
