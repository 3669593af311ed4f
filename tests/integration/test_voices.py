"""VoiceService: what there is, aliases, and why no voice can be made here."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from speech.v1 import synthesis_service_pb2 as pb
from speech.v1 import voice_service_pb2 as voice_pb
from speech_service.config.tree import ConfigError, ModelConfig
from tests.integration.failures import failure_of
from tests.integration.harness import Server, running
from tests.integration.sound import speech
from tests.integration.synthesis_harness import config, hum, speech_stub, voice_stub

CREATE: Any = voice_pb.CreateVoiceRequest
SPEAK: Any = pb.SynthesizeRequest
OPENAI = ["alloy", "echo", "fable", "nova", "onyx", "shimmer"]
MODELS = [hum(voices=["low", "mid", "top"]), ModelConfig(kind="synthesizer/hibari")]
RAW = {"raw": {"encoding": 1, "sample_rate_hz": 16_000}}


@pytest_asyncio.fixture
async def voiced() -> AsyncIterator[Server]:
    async with running("synthesis.default_voice=mid", models=MODELS) as server:
        yield server


async def ids(server: Server, **fields: Any) -> list[str]:
    reply = await voice_stub(server).ListVoices(voice_pb.ListVoicesRequest(**fields))
    return [voice.voice_id for voice in reply.voices]


async def test_list(voiced: Server) -> None:
    assert await ids(voiced) == ["heart", "low", "mid", "top"]
    assert await ids(voiced, language="en") == ["heart", "low", "mid", "top"]
    assert await ids(voiced, language="en-US") == ["heart", "low", "mid", "top"]
    assert await ids(voiced, language="ja") == []
    assert await ids(voiced, model="hibari") == ["heart"]
    assert await ids(voiced, kind=1) == ["heart", "low", "mid", "top"]
    assert await ids(voiced, kind=2) == []
    first = await voice_stub(voiced).ListVoices(voice_pb.ListVoicesRequest(page_size=3))
    assert len(first.voices) == 3
    assert await ids(voiced, page_size=3, page_token=first.next_page_token) == ["top"]


async def test_get(voiced: Server) -> None:
    async def get(voice_id: str) -> voice_pb.Voice:
        reply = await voice_stub(voiced).GetVoice(voice_pb.GetVoiceRequest(voice_id=voice_id))
        return reply.voice

    heart = await get("heart")
    assert (heart.display_name, heart.kind, heart.gender) == ("Heart", 1, 1)
    assert (heart.sample_rate_hz, heart.licence) == (24_000, "Apache-2.0")
    assert list(heart.languages) == ["en-US"]
    assert list(heart.models) == ["hibari"]
    assert not heart.aliases
    assert (await get("alloy")).voice_id == "mid"
    assert list((await get("mid")).aliases) == OPENAI
    assert not heart.HasField("create_time")


@pytest.mark.parametrize("alias", OPENAI)
async def test_aliases_speak(voiced: Server, alias: str) -> None:
    request = SPEAK(text="Hello.", config=config(voice_id=alias))
    reply = await speech_stub(voiced).Synthesize(request, timeout=60)
    assert reply.voice_id == "mid"


async def test_an_alias_by_configuration() -> None:
    async with running(
        "synthesis.aliases.alloy=top", "synthesis.aliases.narrator=low", models=MODELS
    ) as server:
        for alias, voice in (("alloy", "top"), ("narrator", "low")):
            request = SPEAK(text="Hello.", config=config(voice_id=alias))
            reply = await speech_stub(server).Synthesize(request, timeout=60)
            assert reply.voice_id == voice


@pytest.mark.parametrize("key", ["default_voice", "aliases.alloy", "default_model"])
async def test_a_configuration_that_names_nothing_does_not_start(key: str) -> None:
    with pytest.raises(ConfigError, match=f"synthesis.{key}"):
        async with running(f"synthesis.{key}=nobody", models=MODELS):
            pass


@pytest.mark.parametrize("voice", ["emma", "fenrir", "kore"])
async def test_voices_that_would_be_downloaded_are_refused_by_name(
    voiced: Server, voice: str
) -> None:
    request = SPEAK(text="Hello.", config=config(voice_id=voice, model="hibari"))
    failure = await failure_of(speech_stub(voiced).Synthesize(request))
    failure.is_("INVALID_ARGUMENT", "UNSUPPORTED_OPTION", "BadRequest")
    failure.names("config.voice_id", voice, "heart")


async def test_a_voice_of_another_model(voiced: Server) -> None:
    request = SPEAK(text="Hello.", config=config(voice_id="heart"))
    failure = await failure_of(speech_stub(voiced).Synthesize(request))
    failure.is_("INVALID_ARGUMENT", "UNSUPPORTED_OPTION", "BadRequest")
    failure.names("config.voice_id", "low")


def prompt(seconds: float = 2.0, **fields: Any) -> dict[str, Any]:
    return {"format": RAW, "audio": speech(seconds * 1000), "transcript": "hello", **fields}


BAD_PROMPTS: list[tuple[dict[str, Any], str, str]] = [
    (prompt(format={}), "format", "INVALID_FIELD"),
    (prompt(audio=b""), "audio", "EMPTY_AUDIO"),
    (prompt(transcript=" "), "transcript", "INVALID_FIELD"),
    (prompt(transcript="x" * 2_001), "transcript", "LIMIT_EXCEEDED"),
    (prompt(0.5), "audio", "PROMPT_LENGTH"),
    (prompt(61.0), "audio", "PROMPT_LENGTH"),
    (prompt(format={"container": 1}, audio=b"no wave at all" * 10), "audio", "INVALID_AUDIO"),
]


@pytest.mark.parametrize(("made", "path", "reason"), BAD_PROMPTS, ids=range(len(BAD_PROMPTS)))
async def test_bad_prompts(voiced: Server, made: dict[str, Any], path: str, reason: str) -> None:
    request = CREATE(voice_id="mine", prompt=made)
    failure = await failure_of(voice_stub(voiced).CreateVoice(request, timeout=60))
    failure.is_("INVALID_ARGUMENT", reason, "BadRequest").names(f"prompt.{path}")
    spoken = SPEAK(text="Hello.", config={"inline_prompt": made})
    failure = await failure_of(speech_stub(voiced).Synthesize(spoken, timeout=60))
    failure.is_("INVALID_ARGUMENT", reason, "BadRequest").names(f"config.inline_prompt.{path}")


async def test_a_good_prompt_needs_a_model_that_clones(voiced: Server) -> None:
    for source in (
        {"prompt": prompt()},
        {"prompt": prompt(transcript="", speaker_embedding_only=True)},
        {"design": {"description": "an old sailor"}},
    ):
        request = CREATE(voice_id="mine", **source)
        failure = await failure_of(voice_stub(voiced).CreateVoice(request, timeout=60))
        failure.is_("FAILED_PRECONDITION", "NO_MODEL_FOR_VOICE", "PreconditionFailure")
        assert "Qwen3-TTS" in failure.message
    for fields in ({"inline_prompt": prompt()}, {"design": {"description": "a child"}}):
        spoken = SPEAK(text="Hello.", config=fields)
        failure = await failure_of(speech_stub(voiced).Synthesize(spoken, timeout=60))
        failure.is_("FAILED_PRECONDITION", "NO_MODEL_FOR_VOICE", "PreconditionFailure")
        assert "Qwen3-TTS" in failure.message


BAD_CREATE: list[tuple[dict[str, Any], str, str]] = [
    ({"voice_id": "UPPER"}, "INVALID_ARGUMENT", "INVALID_FIELD"),
    ({"voice_id": "x" * 65}, "INVALID_ARGUMENT", "INVALID_FIELD"),
    ({"voice_id": "heart"}, "ALREADY_EXISTS", "RESOURCE_EXISTS"),
    ({"voice_id": "alloy"}, "ALREADY_EXISTS", "RESOURCE_EXISTS"),
    ({"model": "x"}, "NOT_FOUND", "MODEL_NOT_FOUND"),
    ({"display_name": "x" * 501}, "INVALID_ARGUMENT", "LIMIT_EXCEEDED"),
    ({}, "INVALID_ARGUMENT", "INVALID_FIELD"),
    ({"design": {}}, "INVALID_ARGUMENT", "INVALID_FIELD"),
]


@pytest.mark.parametrize(("fields", "code", "reason"), BAD_CREATE, ids=range(len(BAD_CREATE)))
async def test_bad_create(voiced: Server, fields: dict[str, Any], code: str, reason: str) -> None:
    request = CREATE(**fields)
    failure = await failure_of(voice_stub(voiced).CreateVoice(request))
    assert (failure.code.name, failure.reason) == (code, reason)


@pytest.mark.parametrize(
    ("voice", "code", "reason"),
    [
        ("", "INVALID_ARGUMENT", "INVALID_FIELD"),
        ("nobody", "NOT_FOUND", "VOICE_NOT_FOUND"),
        ("alloy", "NOT_FOUND", "VOICE_NOT_FOUND"),
        ("heart", "FAILED_PRECONDITION", "VOICE_BUILT_IN"),
    ],
)
async def test_delete(voiced: Server, voice: str, code: str, reason: str) -> None:
    request = voice_pb.DeleteVoiceRequest(voice_id=voice)
    failure = await failure_of(voice_stub(voiced).DeleteVoice(request))
    assert (failure.code.name, failure.reason) == (code, reason)


@pytest.mark.parametrize(
    "fields",
    [{"kind": 9}, {"page_size": 1001}, {"page_token": "x"}, {"model": "x"}],
    ids=["kind", "page", "token", "model"],
)
async def test_bad_lists(voiced: Server, fields: dict[str, Any]) -> None:
    failure = await failure_of(voice_stub(voiced).ListVoices(voice_pb.ListVoicesRequest(**fields)))
    assert failure.code.name in ("INVALID_ARGUMENT", "NOT_FOUND")


@pytest.mark.parametrize("kind", ["foreign", "folder", "dangling", "no folder"])
async def test_what_lies_in_the_voices_folder_spoils_no_call(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "voices"
    spoil(folder, kind)
    async with running(f"synthesis.voices_folder={folder}", models=MODELS) as server:
        assert await ids(server) == ["heart", "low", "mid", "top"]
        stub = voice_stub(server)
        assert (await stub.GetVoice(voice_pb.GetVoiceRequest(voice_id="low"))).voice.voice_id
        failure = await failure_of(stub.GetVoice(voice_pb.GetVoiceRequest(voice_id="bad")))
        failure.is_("NOT_FOUND", "VOICE_NOT_FOUND", "ResourceInfo")
        request = SPEAK(config=config(voice_id="low"), text="hello")
        assert (await speech_stub(server).Synthesize(request)).audio


def spoil(folder: Path, kind: str) -> None:
    if kind == "no folder":
        folder.write_text("a file where the folder should be")
        return
    folder.mkdir()
    bad = folder / "bad.npz"
    match kind:
        case "foreign":
            bad.write_bytes(b"PK not really")
        case "folder":
            bad.mkdir()
        case _:
            bad.symlink_to(folder / "nowhere")
