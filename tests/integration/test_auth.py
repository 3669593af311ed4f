"""Who may call: attempts that are refused, each with its code and before anything of its body is parsed."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from loguru import logger

from speech.admin.v1 import model_admin_service_pb2 as admin_pb
from speech.admin.v1 import model_admin_service_pb2_grpc
from speech.v1 import recognition_service_pb2 as pb
from speech.v1 import synthesis_service_pb2 as synthesis_pb
from speech.v1 import synthesis_service_pb2_grpc
from speech_client import AccessError, CallOptions, RawAudio, SpeechClient
from speech_client.admin import AdminClient
from speech_service.config.tree import ConfigError
from tests.integration.failures import WAIT_S, Failure, failure_of
from tests.integration.harness import FAKE, Server, raw_config, recognition_stub, running
from tests.integration.synthesis_harness import HUM
from tests.integration.tenants import (
    AUDIENCE,
    DAY_S,
    ISSUER,
    Authority,
    Issuer,
    Metadata,
    Parses,
    bearer,
    entry,
    forged,
    sha256,
    token_claims,
    with_key,
    write_tenants,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYS = {
    name: f"spk_{name}_0123456789abcdefghijklmnopqrstuvwxyz"
    for name in ("acme", "globex", "old", "gone", "operator")
}
AUDIO = b"\x00\x20\x00\xe0" * 8_000
ISSUER_OF_TOKENS, STRANGER = Issuer(), Issuer()


@dataclass
class Guarded:
    """A server that asks who calls, and what it wrote into its log."""

    server: Server
    parses: Parses
    log: list[dict[str, Any]]
    tenants: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    folder = tmp_path_factory.mktemp("auth")
    tenants, jwks = folder / "tenants.json", folder / "jwks.json"
    write_tenants(
        tenants,
        entry("web", "acme", KEYS["acme"]),
        entry("web", "globex", KEYS["globex"]),
        entry("old", "acme", KEYS["old"], expires="2020-01-01T00:00:00Z"),
        entry("gone", "acme", KEYS["gone"], revoked=True),
        entry("operator", "acme", KEYS["operator"], scopes=["admin"]),
    )
    jwks.write_text(ISSUER_OF_TOKENS.jwks())
    parses, log = Parses(), list[dict[str, Any]]()
    sink = logger.add(
        lambda message: log.append({**message.record["extra"], "is": message.record["message"]})
    )
    patch = pytest.MonkeyPatch()
    with parses.counting(patch):
        entered = running(*settings(tenants, jwks), models=(FAKE, HUM))
        server = await entered.__aenter__()
    try:
        yield Guarded(server, parses, log, tenants)
    finally:
        await entered.__aexit__(None, None, None)
        logger.remove(sink)


def settings(tenants: Path, jwks: Path) -> list[str]:
    return [
        "auth.accept=api_key,jwt",
        f"auth.tenants_file={tenants}",
        f"auth.jwt.jwks={jwks}",
        f"auth.jwt.issuer={ISSUER}",
        f"auth.jwt.audience={AUDIENCE}",
        "auth.metric_tenants=1",
        "synthesis.cache_bytes=1000000",
    ]


def token(*without: str, **claims: Any) -> Callable[[], Metadata]:
    return lambda: bearer(ISSUER_OF_TOKENS.token(*without, **claims))


def _unknown_key() -> Metadata:
    issuer = Issuer("k9", ISSUER_OF_TOKENS.key)
    return bearer(issuer.token())


def _changed() -> Metadata:
    """Signed, and then another tenant."""
    head, _, signature = ISSUER_OF_TOKENS.token().split(".")
    body = forged("ES256", token_claims(tenant="globex")).split(".")[1]
    return bearer(f"{head}.{body}.{signature}")


ATTEMPTS: dict[str, tuple[Callable[[], Metadata], str]] = {
    "nothing": (lambda: (), "CREDENTIALS_MISSING"),
    "an empty key": (lambda: with_key(""), "CREDENTIALS_MALFORMED"),
    "a key with a space": (lambda: with_key("a b"), "CREDENTIALS_MALFORMED"),
    "a wrong key": (lambda: with_key("spk_nobody"), "API_KEY_UNKNOWN"),
    "a key and a letter": (lambda: with_key(KEYS["acme"] + "x"), "API_KEY_UNKNOWN"),
    "the hash of a key": (lambda: with_key(sha256(KEYS["acme"])), "API_KEY_UNKNOWN"),
    "a wrong key as bearer": (lambda: bearer("spk_nobody"), "API_KEY_UNKNOWN"),
    "a revoked key": (lambda: with_key(KEYS["gone"]), "API_KEY_REVOKED"),
    "an expired key": (lambda: bearer(KEYS["old"]), "API_KEY_EXPIRED"),
    "a password": (lambda: (("authorization", "Basic YTpi"),), "CREDENTIALS_MALFORMED"),
    "a bearer of nothing": (lambda: (("authorization", "Bearer"),), "CREDENTIALS_MALFORMED"),
    "two keys": (
        lambda: (*with_key(KEYS["acme"]), *bearer(KEYS["globex"])),
        "CREDENTIALS_MALFORMED",
    ),
    "an expired token": (token(exp=time.time() - 3600), "TOKEN_EXPIRED"),
    "a token of tomorrow": (token(nbf=time.time() + DAY_S), "TOKEN_NOT_YET_VALID"),
    "a token made tomorrow": (token(iat=time.time() + DAY_S), "TOKEN_NOT_YET_VALID"),
    "an end that no clock reaches": (token(exp=10**400), "TOKEN_INVALID"),
    "another audience": (token(aud="pictures"), "TOKEN_AUDIENCE"),
    "another issuer": (token(iss="https://elsewhere.test"), "TOKEN_ISSUER"),
    "alg none": (lambda: bearer(forged("none", token_claims()) + "x"), "TOKEN_INVALID"),
    "alg None": (lambda: bearer(forged("None", token_claims()) + "x"), "TOKEN_INVALID"),
    "HS256 with the public key": (
        lambda: bearer(forged("HS256", token_claims(), ISSUER_OF_TOKENS.public_pem())),
        "TOKEN_INVALID",
    ),
    "an algorithm that is not taken": (
        lambda: bearer(forged("ES512", token_claims(), b"x")),
        "TOKEN_INVALID",
    ),
    "an unknown key id": (_unknown_key, "TOKEN_KEY_UNKNOWN"),
    "the key of a stranger": (lambda: bearer(STRANGER.token()), "TOKEN_INVALID"),
    "a changed token": (_changed, "TOKEN_INVALID"),
    "a critical header": (
        lambda: bearer(ISSUER_OF_TOKENS.token(header={"crit": ["b64"], "b64": True})),
        "TOKEN_INVALID",
    ),
    "no token": (lambda: bearer("a.b.c"), "TOKEN_INVALID"),
    "a token for ever": (token("exp"), "TOKEN_INVALID"),
    "a token for everybody": (token("aud"), "TOKEN_INVALID"),
    "a token without tenant": (token("tenant"), "TOKEN_WITHOUT_TENANT"),
    "a tenant that is no text": (token(tenant=["acme"]), "TOKEN_WITHOUT_TENANT"),
    "a tenant that is no name": (token(tenant="a\nb"), "TOKEN_WITHOUT_TENANT"),
    "an endless tenant": (token(tenant="a" * 65), "TOKEN_WITHOUT_TENANT"),
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
async def test_an_attempt_is_refused_before_anything_is_parsed(
    guarded: Guarded, attempt: str
) -> None:
    make, reason = ATTEMPTS[attempt]
    metadata, before = make(), guarded.parses.count
    recognition, speech = guarded.server.recognition, synthesis_stub(guarded.server.channel)
    request = pb.RecognizeRequest(config=raw_config(), audio=AUDIO)
    unary = await failure_of(recognition.Recognize(request, metadata=metadata))
    assert unary.is_("UNAUTHENTICATED", reason)
    stream = guarded.server.talk(metadata=metadata)
    async with stream:
        assert (await stream.fails()).is_("UNAUTHENTICATED", reason)
    text = synthesis_pb.SynthesizeChunkedRequest(text="Hello.")
    chunked = speech.SynthesizeChunked(text, metadata=metadata)
    assert (await _failure_of_stream(chunked)).is_("UNAUTHENTICATED", reason)
    assert guarded.parses.count == before
    secrets = [value for _, value in metadata if len(value) > 20]
    told = f"{unary.message} {unary.trailers} {guarded.log}"
    assert not [secret for secret in secrets if secret.removeprefix("Bearer ") in told]


async def test_the_admin_port_is_for_its_scope(guarded: Guarded) -> None:
    stub: Any = model_admin_service_pb2_grpc.ModelAdminServiceStub(guarded.server.admin)
    before = guarded.parses.count

    def status(metadata: Metadata) -> Any:
        return stub.GetServerStatus(admin_pb.GetServerStatusRequest(), metadata=metadata)

    (await failure_of(status(()))).is_("UNAUTHENTICATED", "CREDENTIALS_MISSING")
    for who in (with_key(KEYS["acme"]), bearer(ISSUER_OF_TOKENS.token(scope="read"))):
        (await failure_of(status(who))).is_("PERMISSION_DENIED", "SCOPE_MISSING")
    drain = stub.DrainServer(admin_pb.DrainServerRequest(), metadata=with_key(KEYS["acme"]))
    (await failure_of(drain)).is_("PERMISSION_DENIED", "SCOPE_MISSING")
    watch = stub.WatchModelInstances(admin_pb.WatchModelInstancesRequest())
    (await _failure_of_stream(watch)).is_("UNAUTHENTICATED", "CREDENTIALS_MISSING")
    assert guarded.parses.count == before
    for who in (
        with_key(KEYS["operator"]),
        bearer(ISSUER_OF_TOKENS.token(scope="read admin")),
        bearer(ISSUER_OF_TOKENS.token(scope=["admin"])),
    ):
        assert not (await status(who)).draining
    lines = [line for line in guarded.log if line.get("event") == "admin_call"][-3:]
    assert [line["subject"] for line in lines] == ["operator", "somebody", "somebody"]
    assert lines[0]["method"] == "speech.admin.v1.ModelAdminService/GetServerStatus"
    assert (lines[0]["tenant"], lines[0]["code"]) == ("acme", "OK")
    assert lines[0]["peer"].startswith("ipv4:127.0.0.1:")


async def test_health_is_open_and_reflection_is_not(guarded: Guarded) -> None:
    for channel in (guarded.server.channel, guarded.server.admin):
        health: Any = health_pb2_grpc.HealthStub(channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == 1
        make_stub: Any = reflection_pb2_grpc.ServerReflectionStub
        reflection = make_stub(channel)
        asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
        call = reflection.ServerReflectionInfo(iter(asked))
        (await _failure_of_stream(call)).is_("UNAUTHENTICATED", "CREDENTIALS_MISSING")
        call = reflection.ServerReflectionInfo(iter(asked), metadata=with_key(KEYS["operator"]))
        assert len([reply async for reply in call]) == 1


async def test_what_is_good_is_served(guarded: Guarded) -> None:
    request = pb.RecognizeRequest(config=raw_config(), audio=AUDIO)
    for metadata in (
        with_key(KEYS["acme"]),
        bearer(KEYS["acme"]),
        (*bearer(KEYS["acme"]), *bearer(KEYS["acme"]), *with_key(KEYS["acme"])),
        bearer(ISSUER_OF_TOKENS.token()),
        bearer(ISSUER_OF_TOKENS.token(exp=time.time() - 5)),  # within the leeway
    ):
        before = guarded.parses.count
        reply = await guarded.server.recognition.Recognize(request, metadata=metadata)
        assert reply.results
        assert guarded.parses.count == before + 1
    async with guarded.server.talk(metadata=with_key(KEYS["globex"])) as talk:
        await talk.audio(AUDIO)
        await talk.end()
        assert talk.finals
    lines = [line for line in guarded.log if line["is"] == "rpc"]
    assert (lines[-1]["tenant"], lines[-1]["subject"]) == ("globex", "web")


async def test_a_subject_cannot_write_lines_of_the_log(guarded: Guarded) -> None:
    for subject, shown in (("a\nb\x1b[2J", "a?b?[2J"), ("\ud800", "?"), ("Zoë", "Zoë")):
        request = pb.RecognizeRequest(config=raw_config(), audio=AUDIO)
        metadata = bearer(ISSUER_OF_TOKENS.token(sub=subject))
        assert (await guarded.server.recognition.Recognize(request, metadata=metadata)).results
        lines = [line for line in guarded.log if line["is"] == "rpc"]
        assert lines[-1]["subject"] == shown


async def test_clients_carry_a_key_or_a_token_with_every_call(guarded: Guarded) -> None:
    given: list[str] = []

    def renewed() -> str:
        given.append(ISSUER_OF_TOKENS.token())
        return given[-1]

    target, raw = guarded.server.target, RawAudio(16_000)
    for credential in ({"api_key": KEYS["acme"]}, {"token": renewed}):
        options: Any = credential
        async with SpeechClient.connect(target, **options) as client:
            reply = await client.recognize(AUDIO, format=raw, call=CallOptions(timeout_s=WAIT_S))
            assert reply.text
            async with client.stream_recognize(format=raw) as stream:
                await stream.send_audio(AUDIO)
                await stream.end_audio()
                assert [event async for event in stream]
            spoken = [event async for event in client.synthesize_chunked("Hello.")]
            assert spoken
            own = CallOptions(authorization="Bearer spk_wrong")
            with pytest.raises(AccessError) as caught:
                await client.list_models(call=own)
            assert caught.value.reason == "API_KEY_UNKNOWN"
    assert len(given) == 3
    async with SpeechClient.connect(target) as client:
        with pytest.raises(AccessError, match="who calls"):
            await client.list_voices()
    with pytest.raises(ValueError, match="not both"):
        SpeechClient.connect(target, api_key="a", token="b")
    admin_target = guarded.server.admin_target
    async with AdminClient.connect(admin_target, api_key=KEYS["operator"]) as admin:
        assert not (await admin.status()).draining


async def test_commands_carry_a_key(guarded: Guarded, tmp_path: Path) -> None:
    file = tmp_path / "operator.key"
    file.write_text(KEYS["operator"] + "\n")
    target, admin = guarded.server.target, guarded.server.admin_target
    bare = {name: value for name, value in os.environ.items() if name != "SPEECH_API_KEY"}
    keyed = {**bare, "SPEECH_API_KEY": KEYS["acme"]}
    code, out, _ = await command("models", "--server", target, environment=keyed)
    assert (code, "fake" in out) == (0, True)
    key = ("--api-key-file", str(file))
    code, out, _ = await command("status", "--server", admin, *key, environment=bare)
    assert (code, "serving" in out) == (0, True)
    code, _, err = await command("models", "--server", target, environment=bare)
    assert code == 1
    assert "CREDENTIALS_MISSING" in err
    assert "--api-key-file or SPEECH_API_KEY" in err


async def command(*words: str, environment: dict[str, str]) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "speech_service", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    out, err = await asyncio.wait_for(process.communicate(), WAIT_S)
    return process.returncode or 0, out.decode(), err.decode()


async def test_a_flood_of_wrong_keys_is_a_line_and_a_count(guarded: Guarded) -> None:
    name = 'speech_auth_refused_total{reason="API_KEY_UNKNOWN"}'
    counted = (await guarded.server.metrics()).get(name, 0.0)
    request = pb.RecognizeRequest(config=raw_config(), audio=AUDIO)
    for number in range(20):
        call = guarded.server.recognition.Recognize(request, metadata=with_key(f"spk_{number}"))
        await failure_of(call)
    assert (await guarded.server.metrics())[name] == counted + 20
    lines = [line for line in guarded.log if line.get("reason") == "API_KEY_UNKNOWN"]
    assert {line["is"] for line in lines} == {"audit"}
    assert len(lines) < 10, "one a minute, and not one for each"


async def test_no_tenant_hears_what_another_had_spoken(guarded: Guarded) -> None:
    stub = synthesis_stub(guarded.server.channel)
    request = synthesis_pb.SynthesizeRequest(text="A secret of acme.")
    cached: list[bool] = []
    for who in ("acme", "acme", "globex", "globex"):
        reply = await stub.Synthesize(request, metadata=with_key(KEYS[who]))
        cached.append(reply.cached)
    assert cached == [False, True, False, True]


async def test_usage_is_counted_by_tenant_and_the_names_are_few(guarded: Guarded) -> None:
    request = pb.RecognizeRequest(config=raw_config(), audio=AUDIO)
    text = synthesis_pb.SynthesizeRequest(text="Counted.")
    for who in ("acme", "globex"):
        metadata = with_key(KEYS[who])
        await guarded.server.recognition.Recognize(request, metadata=metadata)
        await synthesis_stub(guarded.server.channel).Synthesize(text, metadata=metadata)
    metrics = await guarded.server.metrics()
    seconds = "speech_tenant_audio_received_seconds_total"
    tenants = {key.split('"')[1] for key in metrics if key.startswith(seconds)}
    assert "other" in tenants
    (named,) = tenants - {"other"}
    for tenant in (named, "other"):
        assert metrics[f'{seconds}{{tenant="{tenant}"}}'] >= len(AUDIO) / 32_000
        assert metrics[f'speech_tenant_calls_total{{grpc_code="OK",tenant="{tenant}"}}'] >= 2
        assert metrics[f'speech_tenant_characters_total{{tenant="{tenant}"}}'] >= len(text.text)
        assert metrics[f'speech_tenant_audio_sent_seconds_total{{tenant="{tenant}"}}'] > 0


# --- certificates -----------------------------------------------------------------------------------


async def test_certificates_say_who_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, other = Authority(), Authority()
    (tmp_path / "ca.pem").write_bytes(ours.certificate)
    cert, key = ours.issue("localhost").write(tmp_path, "server")
    names = {"acme": "spiffe://test/acme", "globex": "globex.test"}
    certificates = [{"san": san, "tenant": tenant} for tenant, san in names.items()]
    tenants = tmp_path / "tenants.json"
    write_tenants(tenants, entry("web", "globex", KEYS["globex"]), certificates=certificates)
    parses = Parses()
    with parses.counting(monkeypatch):
        entered = running(
            f"server.tls_cert_file={cert}",
            f"server.tls_key_file={key}",
            f"server.tls_client_ca_file={tmp_path / 'ca.pem'}",
            "auth.accept=mtls,api_key",
            f"auth.tenants_file={tenants}",
        )
        server = await entered.__aenter__()
    request = pb.RecognizeRequest(config=raw_config(), audio=AUDIO)
    try:

        async def outcome(pair: Any, metadata: Metadata = ()) -> str:
            credentials = grpc.ssl_channel_credentials(ours.certificate, pair.key, pair.certificate)
            async with aio.secure_channel(
                server.target.replace("127.0.0.1", "localhost"), credentials
            ) as channel:
                stub = recognition_stub(channel)
                try:
                    await stub.Recognize(request, metadata=metadata, timeout=WAIT_S)
                except aio.AioRpcError as error:
                    if error.code() is grpc.StatusCode.UNAVAILABLE:
                        return "no connection"
                    return f"{error.code().name} {Failure.of(error).reason}"
                return "served"

        assert await outcome(ours.issue(names["acme"])) == "served"
        assert parses.count == 1
        for wrong in (ours.issue("nobody.test"), ours.issue(), ours.issue(*names.values())):
            assert await outcome(wrong) == "PERMISSION_DENIED CERTIFICATE_UNKNOWN"
        assert await outcome(ours.issue(names["acme"]), with_key("spk_wrong")) == (
            "UNAUTHENTICATED API_KEY_UNKNOWN"
        ), "a good certificate does not mend a wrong key"
        assert await outcome(other.issue(names["acme"])) == "no connection"
        assert parses.count == 1
        assert await outcome(ours.issue("nobody.test"), with_key(KEYS["globex"])) == "served"
        plaintext = server.recognition.Recognize(request, timeout=WAIT_S)
        with pytest.raises(aio.AioRpcError) as refused:
            await plaintext
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert parses.count == 2
    finally:
        await entered.__aexit__(None, None, None)


# --- the configuration ------------------------------------------------------------------------------

WRONG: dict[str, tuple[list[str], str]] = {
    "keys without accept": (["auth.tenants_file=x"], "auth.accept: is empty"),
    "no file": (["auth.accept=api_key"], "auth.tenants_file: is empty"),
    "no such file": (
        ["auth.accept=api_key", "auth.tenants_file=/nowhere/x"],
        "auth.tenants_file: cannot read",
    ),
    "no authority": (
        ["auth.accept=mtls", "auth.tenants_file=x"],
        "server.tls_client_ca_file: is empty",
    ),
    "no issuer": (["auth.accept=jwt", "auth.jwt.jwks=x"], "auth.jwt.issuer: is empty"),
    "a shared secret": (
        [
            *("auth.accept=jwt", "auth.jwt.jwks=x", "auth.jwt.issuer=i", "auth.jwt.audience=a"),
            "auth.jwt.algorithms=HS256",
        ],
        "auth.jwt.algorithms: 'HS256' is none of those that a public key checks",
    ),
    "keys in the clear": (
        [
            *("auth.accept=jwt", "auth.jwt.jwks=http://keys.test"),
            *("auth.jwt.issuer=i", "auth.jwt.audience=a"),
        ],
        "auth.jwt.jwks: 'http://keys.test' is neither",
    ),
}


@pytest.mark.parametrize("case", WRONG)
async def test_settings_that_do_not_fit_stop_the_start(case: str) -> None:
    given, message = WRONG[case]
    with pytest.raises(ConfigError) as caught:
        async with running(*given):
            pass
    assert str(caught.value).startswith(message)


async def test_an_open_port_asks_who_calls_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    cert, key = Authority().issue("localhost").write(tmp_path, "server")
    tls = [
        f"server.tls_cert_file={cert}",
        f"server.tls_key_file={key}",
        "server.listen=0.0.0.0:0",
    ]
    with pytest.raises(ConfigError, match="nobody is asked who calls"):
        async with running(*tls):
            pass
    async with running(*tls, "server.allow_insecure=true"):
        pass
    tenants = tmp_path / "tenants.json"
    write_tenants(tenants, entry("web", "acme", KEYS["acme"]))
    async with running(*tls, "auth.accept=api_key", f"auth.tenants_file={tenants}"):
        pass


def synthesis_stub(channel: aio.Channel) -> Any:
    return synthesis_service_pb2_grpc.SynthesisServiceStub(channel)


async def _failure_of_stream(call: Any) -> Failure:
    try:
        async with asyncio.timeout(WAIT_S):
            async for reply in call:
                raise AssertionError(f"it was answered: {str(reply)[:300]}")
    except aio.AioRpcError as error:
        return Failure.of(error)
    raise AssertionError("it ended well")
