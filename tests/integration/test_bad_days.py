"""Days on which something around the service is broken: what a client sees, and that the rest goes on."""

import sys
import time
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from speech.v1 import common_pb2, model_service_pb2
from speech_client import RawAudio, ReconnectPolicy, SpeechClient, UnavailableError
from speech_service.app import hosting
from speech_service.config.tree import ConfigError
from speech_service.dispatch.workers import RemoteSubmitter
from tests.integration.failures import WAIT_S, failure_of
from tests.integration.harness import Server, pb, raw_config, running, until
from tests.integration.sound import speech
from tests.integration.tenants import Issuer, bearer, entry, with_key, write_tenants
from tests.integration.workers import FOREIGN_COMMAND

SPOKEN = speech(1600, 900, 2100, 900)
ACME, GLOBEX = "spk_acme_0123456789abcdef", "spk_globex_0123456789abcdef"
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

# --- workers ------------------------------------------------------------------------------------------

USELESS = {
    "ends at once": (sys.executable, "-c", "raise SystemExit(3)"),
    "never says a word": (sys.executable, "-c", "import time; time.sleep(1000)"),
    "another protocol": (*FOREIGN_COMMAND, "protocol"),
    "another version": (*FOREIGN_COMMAND, "schema"),
    "not there": ("/not/there",),
}


@pytest.mark.parametrize("kind", USELESS)
async def test_a_worker_that_is_never_ready(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    never = partial(RemoteSubmitter, command=USELESS[kind])
    monkeypatch.setattr(hosting, "RemoteSubmitter", never)
    settings = ("worker.mode=process", "worker.start_timeout_s=0.5", "worker.max_restarts=1")
    async with running(*settings) as server:
        request = pb.RecognizeRequest(config=raw_config(), audio=SPOKEN)
        call = server.recognition.Recognize(request, timeout=WAIT_S)
        (await failure_of(call)).is_("UNAVAILABLE", "WORKER_LOST", "RetryInfo")
        async with server.talk() as talk:
            await talk.until("session_started")
            await talk.audio(SPOKEN)
            (await talk.fails()).is_("UNAVAILABLE", "WORKER_LOST", "RetryInfo")
        await until(partial(says_not_serving, server))
        impatient = ReconnectPolicy(attempts=2, total_s=5)
        async with SpeechClient.connect(server.target, reconnect=impatient) as client:
            with pytest.raises(UnavailableError):
                await client.recognize(SPOKEN, format=RawAudio(16_000))
        models = await server.models.ListModels(model_service_pb2.ListModelsRequest())
        assert [model.name for model in models.models] == ["fake"], "the front end goes on"


async def says_not_serving(server: Server) -> bool:
    stub: Any = health_pb2_grpc.HealthStub(server.channel)
    request = health_pb2.HealthCheckRequest(service="speech.v1.RecognitionService")
    return (await stub.Check(request)).status == NOT_SERVING


# --- who calls ----------------------------------------------------------------------------------------


async def test_a_session_of_another_tenant_does_not_exist(tmp_path: Path) -> None:
    file = tmp_path / "tenants.json"
    write_tenants(file, entry("web", "acme", ACME), entry("web", "globex", GLOBEX))
    async with running("auth.accept=api_key", f"auth.tenants_file={file}") as server:
        async with server.talk(metadata=with_key(ACME)) as talk:
            token = (await talk.until("session_started")).resume_token
        resume = common_pb2.Resume(token=token, last_segment_id=1, from_ms=1_600)
        async with server.talk(metadata=with_key(GLOBEX), resume=resume) as talk:
            failure = (await talk.fails()).is_("NOT_FOUND", "SESSION_NOT_FOUND", "ResourceInfo")
            assert "acme" not in str(failure.details)
            assert not talk.events
        async with server.talk(metadata=with_key(ACME), resume=resume) as talk:
            assert (await talk.until("session_started")).resend_from_ms == 1_600


UNREADABLE: dict[str, str] = {
    "auth.tenants_file": "auth.accept=api_key",
    "auth.jwt.jwks": "auth.accept=jwt",
    "server.tls_key_file": "server.tls_cert_file={folder}/cert.pem",
}


@pytest.mark.parametrize("key", UNREADABLE)
async def test_a_file_of_keys_that_cannot_be_read_stops_the_start(tmp_path: Path, key: str) -> None:
    """Rights do not bind the superuser, whom tests may run as; a folder cannot be read by anybody."""
    (tmp_path / "cert.pem").write_text("of no matter: the key is looked at, too")
    more = UNREADABLE[key].format(folder=tmp_path)
    jwt = ("auth.jwt.issuer=i", "auth.jwt.audience=a") if "jwt" in key else ()
    with pytest.raises(ConfigError) as caught:
        async with running(more, *jwt, f"{key}={tmp_path}"):
            pass
    assert str(caught.value).startswith(f"{key}: cannot read")
    assert "Is a directory" in str(caught.value)


# --- the clock ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step_s", [86_400.0, -86_400.0], ids=["forth", "back"])
async def test_a_clock_that_steps_changes_nothing_of_a_stream(
    step_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams, leases, deadlines and quotas count time that cannot step; only new tokens are read by the clock."""
    issuer = Issuer()
    (tmp_path / "jwks.json").write_text(issuer.jwks())
    settings = (
        *("auth.accept=jwt", f"auth.jwt.jwks={tmp_path / 'jwks.json'}"),
        *("auth.jwt.issuer=https://issuer.test", "auth.jwt.audience=speech"),
        *("stream.expired_credential_s=0", "auth.quotas.audio_s_per_minute=100"),
    )
    token = bearer(issuer.token(nbf=time.time() - 60))
    wall_clock = time.time

    class Stepped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Stepped":
            return cls.fromtimestamp(wall_clock() + step_s, tz)

    async with running(*settings) as server:
        whole = await recognize_with(server, token)
        async with server.talk(metadata=token, timeout=WAIT_S) as talk:
            await talk.audio(SPOKEN[: len(SPOKEN) // 2])
            await talk.until("speech_event")
            monkeypatch.setattr(time, "time", lambda: wall_clock() + step_s)
            monkeypatch.setattr("jwt.api_jwt.datetime", Stepped)
            await talk.audio(SPOKEN[len(SPOKEN) // 2 :])
            await talk.end()
        heard = [(f.segment_id, f.text, f.start_ms, f.end_ms) for f in talk.finals]
        assert heard == whole
        latency = talk.events[-1].session_ended.latency
        assert 0 <= latency.first_result_ms < WAIT_S * 1000
        assert all(value >= 0 for value in (await server.metrics()).values())
        async with server.talk(metadata=token) as talk:
            reason = "TOKEN_EXPIRED" if step_s > 0 else "TOKEN_NOT_YET_VALID"
            (await talk.fails()).is_("UNAUTHENTICATED", reason)
        monkeypatch.undo()
        assert await recognize_with(server, token) == whole


async def recognize_with(server: Server, token: Any) -> list[tuple[int, str, int, int]]:
    async with server.talk(metadata=token) as talk:
        await talk.audio(SPOKEN)
        await talk.end()
    return [(f.segment_id, f.text, f.start_ms, f.end_ms) for f in talk.finals]
