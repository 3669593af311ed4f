"""The parts behind the gate: files that are read again, keys over time, refusals in the log."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from loguru import logger

from speech_service.config.tree import ConfigError, QuotaConfig
from speech_service.domain.call import Call
from speech_service.domain.errors import UnauthenticatedError
from speech_service.edge.auth.credentials import Credential, find_credential
from speech_service.edge.auth.public_keys import PUBLIC_KEY_ALGORITHMS, parse_keys
from speech_service.edge.auth.refusals import WINDOW_S, Refusals
from speech_service.edge.auth.tenants import KnownCallers, TenantsFile, parse_tenants
from speech_service.protocols import NullObserver
from tests.integration.tenants import entry, sha256

KEY = "spk_0123456789abcdefghijklmnopqrstuvwxyz"
TOML = f"""
[tenants.acme]
max_streams = 3

[[keys]]
name = "web"
tenant = "acme"
sha256 = "{sha256(KEY)}"
expires = 2030-01-01T00:00:00Z
quotas = {{max_unary = 1}}

[[certificates]]
san = "acme.test"
tenant = "acme"
scopes = ["admin"]
"""


def parsed(*keys: dict[str, Any], **more: Any) -> TenantsFile:
    return parse_tenants(json.dumps({"keys": keys, **more}).encode())


def test_the_file_is_toml_or_json() -> None:
    file = parse_tenants(TOML.encode())
    quotas = file.quotas(QuotaConfig(max_streams=1, max_unary=9))
    assert quotas["acme", ""] == QuotaConfig(max_streams=3, max_unary=9)
    assert quotas["acme", "web"] == QuotaConfig(max_unary=1)
    assert file.keys[0].expires == datetime(2030, 1, 1, tzinfo=UTC)
    as_json = parsed(entry("web", "acme", KEY, expires="2030-01-01T00:00:00Z"))
    assert as_json.keys[0].expires == file.keys[0].expires


WRONG: dict[str, tuple[Any, str]] = {
    "a key in the clear": ({"keys": [entry("n", "t", KEY) | {"sha256": KEY}]}, "keys[0].sha256"),
    "unknown": ({"keys": [entry("n", "t", KEY) | {"key": KEY}]}, "keys[0].key: unknown key"),
    "no tenant": ({"keys": [{"name": "n", "sha256": sha256(KEY)}]}, "needs tenant"),
    "twice": ({"keys": [entry("a", "t", KEY), entry("b", "t", KEY)]}, "stands there twice"),
    "a name twice": (
        {"keys": [entry("a", "t", KEY), entry("a", "t", "other")]},
        "'t/a' stands there twice, as keys[0].name and keys[1].name",
    ),
    "a time of no place": (
        {"keys": [entry("n", "t", KEY, expires="2030-01-01T00:00:00")]},
        "keys[0].expires: has no time zone",
    ),
    "no time": ({"keys": [entry("n", "t", KEY, expires="soon")]}, "keys[0].expires: 'soon'"),
    "a bad quota": ({"tenants": {"t": {"max_streams": -1}}}, "tenants.t.max_streams"),
    "a bad tenant": ({"tenants": {"a\n": {}}}, "not a tenant's name"),
    "a list": ([], "auth.tenants_file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_says_where_and_shows_no_key(case: str) -> None:
    content, message = WRONG[case]
    with pytest.raises(ConfigError) as caught:
        parse_tenants(json.dumps(content).encode())
    assert str(caught.value).startswith("auth.tenants_file")
    assert message in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '{"tenants": {"a": {}, "b": {}, "a": {"max_streams": 1}}}',
            "'a' stands there twice, as members 1 and 3",
        ),
        ('{"keys": [], "keys": []}', "'keys' stands there twice, as members 1 and 2"),
        ("[tenants.a]\n[tenants.a]", "line 2"),
    ],
    ids=["tenants", "keys", "toml"],
)
def test_what_a_file_says_twice_is_an_error(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match="twice") as caught:
        parse_tenants(text.encode())
    assert says in str(caught.value)


class Times:
    def __init__(self) -> None:
        self.clock_s, self.wall_s = 100.0, datetime(2026, 1, 1, tzinfo=UTC).timestamp()

    def callers(self, file: TenantsFile) -> KnownCallers:
        return KnownCallers(file, lambda: self.clock_s, lambda: self.wall_s)


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "9" * 5000,
        "a = " + "[" * 5000,
        '{"a": ' + "9" * 5000 + "}",
        '{"a": ' + "[" * 50_000,
    ],
    ids=["toml number", "toml depth", "json number", "json depth"],
)
def test_a_file_beyond_what_parsers_take_is_wrong(text: str) -> None:
    with pytest.raises(ConfigError, match="too long, or tables too deep"):
        parse_tenants(text.encode())


@pytest.mark.parametrize("text", ["", "[" * 50_000, "9" * 5000], ids=["empty", "depth", "number"])
def test_a_document_of_keys_beyond_what_parsers_take_is_wrong(text: str) -> None:
    with pytest.raises(ConfigError, match="not JSON"):
        parse_keys(text.encode(), PUBLIC_KEY_ALGORITHMS)


def test_a_lease_ends_when_its_key_does() -> None:
    times = Times()
    key = entry("web", "acme", KEY)
    callers = times.callers(parsed(key))
    lease = callers.by_key(KEY).lease
    callers.change(parsed({**key, "scopes": ["admin"]}, entry("b", "acme", "other")))
    assert callers.by_key(KEY).lease is lease
    assert lease.ended_for_s(times.clock_s) is None
    callers.change(parsed({**key, "expires": "2026-01-01T00:01:00Z"}))
    assert lease.ended_for_s(times.clock_s + 59) is None
    assert lease.ended_for_s(times.clock_s + 61) == 1
    times.wall_s += 61
    with pytest.raises(UnauthenticatedError, match="expired"):
        callers.by_key(KEY)
    callers.change(parsed(key))
    assert lease.ended_for_s(times.clock_s + 61) is None
    callers.change(parsed({**key, "revoked": True}))
    assert lease.ended_for_s(times.clock_s + 5) == 5
    callers.change(parsed(key))
    assert callers.by_key(KEY).lease.ended_for_s(times.clock_s) is None
    assert lease.ended_for_s(times.clock_s) == 0, "calls of a revoked key stay ended"


def test_credentials() -> None:
    assert find_credential([("x-request-id", "a")]) is None
    found = find_credential([("authorization", "bearer  abc"), ("x-api-key", b"abc")])
    assert found == Credential("abc")
    assert "abc" not in repr(found)
    assert Credential("a.b.c").is_token
    assert not Credential("a.b").is_token


class Later:
    """Calls back when it is told."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def __call__(self, seconds: float, callback: Callable[[], None]) -> None:
        assert seconds == WINDOW_S
        self.waiting.append(callback)

    def pass_window(self) -> None:
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            callback()


class Counted:
    """Counts calls."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def call_started(self, call: Call) -> None:
        """It is counted at its end."""

    def call_ended(self, call: Call, code: str) -> None:
        self.ended.append(code)


def test_a_flood_is_a_line_a_minute_for_each_reason() -> None:
    lines: list[dict[str, Any]] = []
    sink = logger.add(lambda message: lines.append(message.record["extra"]))
    later, counted = Later(), Counted()
    refusals = Refusals(NullObserver(), counted, later)
    try:

        def refuse(number: int, reason: str) -> None:
            call = Call("s.S", "M", "unary", f"r{number}", peer="ipv4:192.0.2.1:1")
            refusals.refused(call, UnauthenticatedError("no", reason=reason), "UNAUTHENTICATED")

        for number in range(1_000):
            refuse(number, "API_KEY_UNKNOWN")
        refuse(0, "TOKEN_EXPIRED")
        assert [(line["reason"], line["count"]) for line in lines] == [
            ("API_KEY_UNKNOWN", 1),
            ("TOKEN_EXPIRED", 1),
        ]
        later.pass_window()
        assert (lines[2]["count"], lines[2]["request_id"]) == (999, "r999")
        later.pass_window()
        assert len(lines) == 3
        assert not later.waiting
        refuse(7, "API_KEY_UNKNOWN")
        assert (lines[3]["count"], lines[3]["peer"]) == (1, "ipv4:192.0.2.1:1")
    finally:
        logger.remove(sink)
    assert len(counted.ended) == 1_002
