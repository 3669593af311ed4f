"""Tenants over time: files and keys that change, credentials that end, quotas, and what is a tenant's own."""

import asyncio
import http.server
import io
import threading
import time
import wave
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from speech.v1 import recognition_service_pb2 as pb
from speech.v1 import synthesis_service_pb2 as synthesis_pb
from speech.v1 import translation_service_pb2 as translation_pb
from speech.v1 import translation_service_pb2_grpc as translation_grpc
from speech.v1 import voice_service_pb2 as voice_pb
from speech_client import AccessError, RawAudio, RecognitionResult, Reconnected, SpeechClient
from speech_service.calls.voices.files import MadeVoice, write_voice
from speech_service.config.tree import ModelConfig
from speech_service.domain.synthesis import Voice, VoiceGender, VoiceKind
from tests.integration.failures import failure_of
from tests.integration.harness import (
    FAKE,
    Server,
    auto_config,
    fake_model,
    raw_config,
    running,
    until,
)
from tests.integration.sound import speech
from tests.integration.synthesis_harness import HUM, config, speech_stub, voice_stub
from tests.integration.tenants import (
    AUDIENCE,
    ISSUER,
    Issuer,
    Metadata,
    bearer,
    entry,
    with_key,
    write_tenants,
)

ACME, GLOBEX = "spk_acme_0123456789abcdef", "spk_globex_0123456789abcdef"
SPOKEN = speech(1600, 900, 2100, 900)
HALF = 16_000 * 2 * 3  # in the middle of the second segment
SECOND = b"\x00\x20\x00\xe0" * 8_000


async def outcome(server: Server, metadata: Metadata) -> str:
    """How a call with that credential ends."""
    request = pb.RecognizeRequest(config=raw_config(), audio=SECOND)
    call = server.recognition.Recognize(request, metadata=metadata)
    if await call.code() is grpc.StatusCode.OK:
        return "served"
    return (await failure_of(call)).reason


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file of tenants, with a key for each of two."""
    file = tmp_path / "tenants.json"
    write_tenants(file, entry("web", "acme", ACME), entry("web", "globex", GLOBEX))
    return file


def write(file: Path, content: str | None) -> None:
    """Write the file; None: delete it."""
    if content is None:
        file.unlink()
    else:
        file.write_text(content)


def keyed(file: Path, *others: str) -> list[str]:
    return ["auth.accept=api_key", f"auth.tenants_file={file}", *others]


async def reloads(server: Server, outcome: str, file: str = "tenants_file") -> float:
    """How often the file was read again."""
    name = f'speech_auth_file_reloads_total{{file="{file}",outcome="{outcome}"}}'
    return (await server.metrics()).get(name, 0.0)


async def is_stale(server: Server, file: str = "tenants_file") -> bool:
    """Whether what is in force is older than what is there, as the alert asks."""
    return (await server.metrics())[f'speech_reload_failed{{file="{file}"}}'] == 1


async def test_a_changed_file_is_in_force_and_a_broken_one_is_not(file: Path) -> None:
    async with running(*keyed(file)) as server:

        async def failed() -> bool:
            return await reloads(server, "failed") > count

        async def read() -> bool:
            return await reloads(server, "ok") > count

        assert await outcome(server, with_key(ACME)) == "served"
        for content in ('{"keys": [{"name": 1}]}', "not toml", ""):
            count = await reloads(server, "failed")
            write(file, content or '{"tenants": {"": {}}}')
            await until(failed)
            assert await is_stale(server)
            assert await outcome(server, with_key(ACME)) == "served"
        count = await reloads(server, "failed")
        write(file, None)
        await until(failed)
        assert await outcome(server, with_key(ACME)) == "served"
        count = 0.0
        write_tenants(file, entry("web", "acme", ACME, revoked=True), entry("n", "acme", "spk_new"))
        await until(read)
        assert not await is_stale(server)
        assert await outcome(server, with_key(ACME)) == "API_KEY_REVOKED"
        assert await outcome(server, with_key(GLOBEX)) == "API_KEY_UNKNOWN"
        assert await outcome(server, with_key("spk_new")) == "served"


async def test_a_stream_ends_with_its_results_when_its_key_is_revoked(file: Path) -> None:
    settings = keyed(file, "stream.expired_credential_s=0")
    async with running(*settings) as server, server.talk(metadata=with_key(ACME)) as talk:
        await talk.audio(SECOND)
        await talk.until("speech_event")
        write_tenants(file, entry("web", "globex", GLOBEX))
        failure = (await talk.fails()).is_("UNAUTHENTICATED", "CREDENTIALS_EXPIRED")
        assert "new stream" in failure.message
        assert [final.text for final in talk.finals] == ["zero one"]


async def test_a_stream_goes_on_after_its_token_for_as_long_as_is_said(tmp_path: Path) -> None:
    issuer = Issuer()
    (tmp_path / "jwks.json").write_text(issuer.jwks())
    settings = trusting(str(tmp_path / "jwks.json"), "auth.jwt.leeway_s=0")
    token = bearer(issuer.token(exp=time.time() + 5))
    async with running(*settings, "stream.expired_credential_s=0.5") as server:
        async with server.talk(metadata=token) as talk:
            await talk.audio(SECOND)
            (await talk.fails()).is_("UNAUTHENTICATED", "CREDENTIALS_EXPIRED")
            assert talk.finals
        assert await outcome(server, token) == "TOKEN_EXPIRED"
        late = bearer(issuer.token(exp=time.time() + 60))
        async with server.talk(metadata=late) as talk:
            await talk.audio(SECOND)
            assert await talk.end()


async def test_a_client_goes_on_with_a_new_token(tmp_path: Path) -> None:
    issuer = Issuer()
    (tmp_path / "jwks.json").write_text(issuer.jwks())
    settings = trusting(str(tmp_path / "jwks.json"), "auth.jwt.leeway_s=0")
    lives_s = iter([3.0])
    async with (
        running(*settings, "stream.expired_credential_s=0") as server,
        SpeechClient.connect(
            server.target, token=lambda: issuer.token(exp=time.time() + next(lives_s, 3600.0))
        ) as client,
        client.stream_recognize(format=RawAudio(16_000)) as stream,
    ):
        await stream.send_audio(SPOKEN[:HALF])
        events = [await anext(stream)]
        while not isinstance(events[-1], Reconnected):
            events.append(await anext(stream))
        assert events[-1].reason == "CREDENTIALS_EXPIRED"
        await stream.send_audio(SPOKEN[HALF:])
        await stream.end_audio()
        events += [event async for event in stream]
        assert finals(events) == ["zero one two three", "zero one two three four"]


async def test_a_client_whose_key_is_revoked_hears_so_after_its_results(file: Path) -> None:
    async with (
        running(*keyed(file, "stream.expired_credential_s=0")) as server,
        SpeechClient.connect(server.target, api_key=ACME) as client,
        client.stream_recognize(format=RawAudio(16_000)) as stream,
    ):
        await stream.send_audio(SPOKEN[:HALF])
        events: list[object] = [await anext(stream)]
        write_tenants(file, entry("web", "acme", ACME, revoked=True))
        with pytest.raises(AccessError) as caught:
            await read_into(events, stream)
        assert caught.value.reason == "API_KEY_REVOKED"
        assert len(finals(events)) == 2


async def read_into(events: list[object], stream: AsyncIterator[object]) -> None:
    async for event in stream:
        events.append(event)


def finals(events: Sequence[object]) -> list[str]:
    return [e.text for e in events if isinstance(e, RecognitionResult) and e.is_final]


def trusting(jwks: str, *others: str) -> list[str]:
    return [
        "auth.accept=jwt",
        f"auth.jwt.jwks={jwks}",
        f"auth.jwt.issuer={ISSUER}",
        f"auth.jwt.audience={AUDIENCE}",
        *others,
    ]


@contextmanager
def publishing(issuer: Issuer) -> Iterator[http.server.ThreadingHTTPServer]:
    """The issuer's keys at an address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(issuer.jwks().encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def test_known_keys_go_on_while_nobody_answers_for_new_ones() -> None:
    issuer = Issuer()
    with publishing(issuer) as published:
        address = f"http://127.0.0.1:{published.server_port}/keys"
        async with running(*trusting(address)) as server:
            assert await outcome(server, bearer(issuer.token())) == "served"
            assert await outcome(server, bearer(Issuer("k2").token())) == "TOKEN_KEY_UNKNOWN"
            await asyncio.to_thread(published.shutdown)
            published.socket.close()
            await server.app.parts.auth.reload()
            assert await reloads(server, "failed", "jwks") == 1
            assert await is_stale(server, "jwks")
            assert await outcome(server, bearer(issuer.token())) == "served"
            assert await outcome(server, bearer(Issuer("k2").token())) == "TOKEN_KEYS_UNAVAILABLE"


async def test_nobody_is_let_in_where_no_keys_could_be_read_yet() -> None:
    async with running(*trusting("http://127.0.0.1:9/keys")) as server:
        request = pb.RecognizeRequest(config=raw_config(), audio=SECOND)
        token = bearer(Issuer().token())
        call = server.recognition.Recognize(request, metadata=token)
        (await failure_of(call)).is_("UNAVAILABLE", "TOKEN_KEYS_UNAVAILABLE", "RetryInfo")


# --- quotas -----------------------------------------------------------------------------------------


async def test_quotas_are_the_tenants_own_and_are_raised_while_it_calls(file: Path) -> None:
    async with (
        running(*keyed(file, "auth.quotas.max_streams=1")) as server,
        server.talk(metadata=with_key(ACME)) as first,
    ):
        await first.until("session_started")
        async with server.talk(metadata=with_key(ACME)) as second:
            failure = (await second.fails()).is_(
                "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "RetryInfo", "QuotaFailure"
            )
        assert failure.trailers["grpc-retry-pushback-ms"] == "1000"
        (violation,) = failure.details["QuotaFailure"].violations
        assert violation.subject == "tenant:acme"
        async with server.talk(metadata=with_key(GLOBEX)) as other:
            await other.until("session_started")
        write_tenants(file, entry("web", "acme", ACME), tenants={"acme": {"max_streams": 2}})

        async def read() -> bool:
            return await reloads(server, "ok") > 0

        await until(read)
        async with server.talk(metadata=with_key(ACME)) as second:
            await second.until("session_started")
        await first.audio(SECOND)
        await first.end()
        assert first.finals


async def test_a_live_stream_above_its_quota_ends_with_all_its_results(file: Path) -> None:
    settings = keyed(file, "auth.quotas.audio_s_per_minute=3")
    async with running(*settings) as server:
        async with server.talk(metadata=with_key(ACME)) as talk:
            await talk.audio(SECOND * 4)
            failure = (await talk.fails()).is_(
                "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "RetryInfo", "QuotaFailure"
            )
            assert failure.info.metadata["quota"] == "audio_s_per_minute"
            heard = talk.events[-1].session_ended.usage
            assert heard.audio_in_ms == 4_000, "what was accepted is not lost"
            assert max(final.end_ms for final in talk.finals) > 3_000
        assert await outcome(server, with_key(ACME)) == "QUOTA_EXCEEDED"
        assert await outcome(server, with_key(GLOBEX)) == "served"
        name = 'speech_quota_exceeded_total{quota="audio_s_per_minute"}'
        assert (await server.metrics())[name] == 2


async def test_a_file_above_its_quota_is_read_more_slowly(file: Path) -> None:
    settings = keyed(file, "auth.quotas.audio_s_per_minute=120")
    async with running(*settings) as server:
        paced = raw_config(pacing=2)
        async with server.talk(paced, metadata=with_key(ACME)) as talk:
            await talk.audio(SECOND * 122, piece=64_000)
            await talk.end()
            assert talk.events[-1].session_ended.usage.audio_in_ms == 122_000


def wav(pcm: bytes) -> bytes:
    """The sound in a file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 16_000, 0, "NONE", ""))
        writer.writeframes(pcm)
    return file.getvalue()


@pytest.mark.parametrize("form", ["raw", "container"])
async def test_a_burst_of_calls_uses_no_more_than_there_is(file: Path, form: str) -> None:
    audio, asked, model = SECOND * 9, raw_config(), fake_model(step_ms=50)
    if form == "container":
        audio, asked = wav(audio), auto_config()
    settings = keyed(file, "auth.quotas.audio_s_per_minute=10")
    async with running(*settings, models=[model]) as server:
        request = pb.RecognizeRequest(config=asked, audio=audio)
        calls = [server.recognition.Recognize(request, metadata=with_key(ACME)) for _ in range(12)]
        codes = [await call.code() for call in calls]
        assert codes.count(grpc.StatusCode.OK) == 2, "the second began with a second left"
        for call, code in zip(calls, codes, strict=True):
            if code is not grpc.StatusCode.OK:
                (await failure_of(call)).is_(
                    "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "RetryInfo", "QuotaFailure"
                )
        assert await outcome(server, with_key(GLOBEX)) == "served"


async def test_a_burst_of_texts_uses_no_more_than_there_is(file: Path) -> None:
    settings = keyed(file, "auth.quotas.characters_per_minute=11")
    translator = ModelConfig(kind="translator/fake")
    async with running(*settings, models=(FAKE, HUM, translator)) as server:
        stub: Any = translation_grpc.TranslationServiceStub(server.channel)
        wanted = translation_pb.TranslationConfig(source_language="en", target_languages=["de"])
        asked = translation_pb.TranslateTextRequest(config=wanted, text="ten letter")
        calls = [stub.TranslateText(asked, metadata=with_key(ACME)) for _ in range(9)]
        assert [await call.code() for call in calls].count(grpc.StatusCode.OK) == 2
        spoken = synthesis_pb.SynthesizeRequest(config=config(), text="ten letter")
        calls = [
            speech_stub(server).Synthesize(spoken, metadata=with_key(GLOBEX)) for _ in range(9)
        ]
        assert [await call.code() for call in calls].count(grpc.StatusCode.OK) == 2


async def test_text_whose_translation_fails_was_used(file: Path) -> None:
    failing = ModelConfig(kind="translator/fake", options={"fail_word": "zero"})
    settings = keyed(file, "auth.quotas.characters_per_minute=10")
    async with running(*settings, models=(FAKE, failing)) as server:
        stub: Any = translation_grpc.TranslationServiceStub(server.channel)
        wanted = translation_pb.TranslationConfig(source_language="en", target_languages=["de"])
        request = translation_pb.TranslateTextRequest(config=wanted, text="zero one two " * 20)
        failed = await failure_of(stub.TranslateText(request, metadata=with_key(ACME)))
        assert failed.reason != "QUOTA_EXCEEDED"
        again = await failure_of(stub.TranslateText(request, metadata=with_key(ACME)))
        again.is_("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "RetryInfo", "QuotaFailure")


# --- voices -----------------------------------------------------------------------------------------


async def test_voices_are_their_tenants_own(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    made = {"shared": folder, "mine": folder / "@acme", "theirs": folder / "@globex"}
    for voice_id, place in made.items():
        keep(place, voice_id)
    settings = [f"synthesis.voices_folder={folder}"]

    async def ids(server: Server, metadata: Metadata = ()) -> list[str]:
        designed = voice_pb.ListVoicesRequest(kind=voice_pb.VOICE_KIND_DESIGNED)
        reply = await voice_stub(server).ListVoices(designed, metadata=metadata)
        return [voice.voice_id for voice in reply.voices]

    async with running(*settings, models=(FAKE, HUM)) as server:
        assert await ids(server) == ["shared"]
    async with running(*keyed(file, *settings), models=(FAKE, HUM)) as server:
        stub, acme, globex = voice_stub(server), with_key(ACME), with_key(GLOBEX)
        assert (await ids(server, acme), await ids(server, globex)) == (["mine"], ["theirs"])
        delete = voice_pb.DeleteVoiceRequest(voice_id="mine")
        speak = synthesis_pb.SynthesizeRequest(config=config(voice_id="mine"), text="Hello.")
        for call in (
            stub.GetVoice(voice_pb.GetVoiceRequest(voice_id="mine"), metadata=globex),
            stub.DeleteVoice(delete, metadata=globex),
            speech_stub(server).Synthesize(speak, metadata=globex),
        ):
            (await failure_of(call)).is_("NOT_FOUND", "VOICE_NOT_FOUND", "ResourceInfo")
        keep(made["theirs"], "mine")
        assert await ids(server, globex) == ["mine", "theirs"]
        await stub.DeleteVoice(delete, metadata=globex)
        assert (await ids(server, acme), await ids(server, globex)) == (["mine"], ["theirs"])


def keep(folder: Path, voice_id: str) -> None:
    """As another front end would."""
    folder.mkdir(parents=True, exist_ok=True)
    voice = Voice(
        voice_id, voice_id, "fake", ("en",), VoiceGender.NEUTRAL, 24_000, kind=VoiceKind.DESIGNED
    )
    write_voice(folder / f"{voice_id}.npz", MadeVoice(voice, design="deep"))
