"""What operators and tools use: models, admin, health, reflection, channelz."""

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.duration_pb2 import Duration
from grpc import aio
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2 as reflection
from msgspec import structs

from speech.admin.v1 import model_admin_service_pb2 as admin_pb
from speech.admin.v1 import model_admin_service_pb2_grpc
from speech.v1 import model_service_pb2 as models_pb
from speech_service.engines.fake.vad import LoudnessVad
from speech_service.protocols import VadStream
from tests.integration.failures import WAIT_S, Failure, failure_of
from tests.integration.harness import Server, Talk, fake_model, raw_config, running, until
from tests.integration.sound import speech

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
RECOGNITION = "speech.v1.RecognitionService"


def admin_stub(channel: aio.Channel) -> Any:
    return model_admin_service_pb2_grpc.ModelAdminServiceStub(channel)


def named(name: str, **options: object) -> Any:
    return structs.replace(fake_model(**options), name=name)


async def test_list_models() -> None:
    models = [named("zeta"), named("alpha", languages=["pt", "en"])]
    async with running(models=models) as server:
        everything = (await server.models.ListModels(models_pb.ListModelsRequest())).models
        assert [m.name for m in everything] == ["alpha", "zeta"]
        alpha, zeta = everything
        assert (alpha.is_default, zeta.is_default) == (False, True)
        assert list(alpha.languages) == ["en", "pt"]
        assert zeta.kind == models_pb.MODEL_KIND_RECOGNIZER
        assert zeta.state == models_pb.MODEL_STATE_UNLOADED
        assert zeta.sample_rate_hz == 16_000
        assert zeta.limits.max_segment_ms == 20_000
        assert zeta.limits.max_context_characters == 10_000
        assert models_pb.CAPABILITY_UNSPECIFIED not in zeta.capabilities

        async def names(**fields: Any) -> list[str]:
            reply = await server.models.ListModels(models_pb.ListModelsRequest(**fields))
            return [m.name for m in reply.models]

        assert await names(language="pt") == ["alpha"]
        assert await names(language="pt-BR") == ["alpha"]
        assert await names(language="ja") == []
        assert await names(kind=models_pb.MODEL_KIND_RECOGNIZER) == ["alpha", "zeta"]
        assert await names(kind=models_pb.MODEL_KIND_ALIGNER) == []
        await server.works()
        one = await server.models.GetModel(models_pb.GetModelRequest(name="zeta"))
        assert one.model.state == models_pb.MODEL_STATE_READY


@pytest.mark.parametrize("mode", ["process", "inline"])
async def test_a_model_is_ready_once_it_is_loaded_itself(mode: str) -> None:
    async def states(server: Server) -> dict[str, int]:
        reply = await server.models.ListModels(models_pb.ListModelsRequest())
        return {model.name: model.state for model in reply.models}

    async with running(f"worker.mode={mode}", models=[named("zeta"), named("alpha")]) as server:
        assert set((await states(server)).values()) == {models_pb.MODEL_STATE_UNLOADED}
        await server.works()
        assert await states(server) == {
            "zeta": models_pb.MODEL_STATE_READY,
            "alpha": models_pb.MODEL_STATE_UNLOADED,
        }
        alpha = await server.models.GetModel(models_pb.GetModelRequest(name="alpha"))
        assert alpha.model.state == models_pb.MODEL_STATE_UNLOADED


@pytest.mark.parametrize("preload", [False, True])
async def test_preload_loads_what_the_first_stream_would(
    preload: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[LoudnessVad] = []

    def note(vad: LoudnessVad) -> VadStream:
        opened.append(vad)
        return opening(vad)

    opening = LoudnessVad.open
    monkeypatch.setattr(LoudnessVad, "open", note)
    async with running(f"worker.preload={str(preload).lower()}") as server:
        assert len(opened) == preload
        await server.works()


async def test_load_watch_unload(server: Server) -> None:
    admin = admin_stub(server.admin)
    watch = admin.WatchModelInstances(admin_pb.WatchModelInstancesRequest())
    states = []

    async def follow() -> None:
        async for change in watch:
            states.append(change.instance.state)

    following = asyncio.create_task(follow())
    await until(lambda: len(states) == 1)
    loaded = await admin.LoadModel(admin_pb.LoadModelRequest(model="fake"))
    assert loaded.instance.state == models_pb.MODEL_STATE_READY
    assert loaded.instance.worker_id == "inline"
    assert loaded.load_ms > 0
    await until(lambda: states[-1] == models_pb.MODEL_STATE_READY)
    again = await admin.LoadModel(admin_pb.LoadModelRequest(model="fake"))
    assert again.load_ms == 0
    assert (await admin.UnloadModel(admin_pb.UnloadModelRequest(model="fake"))).unloaded
    await until(lambda: states[-1] == models_pb.MODEL_STATE_UNLOADED)
    assert not (await admin.UnloadModel(admin_pb.UnloadModelRequest(model="fake"))).unloaded
    await server.works()  # loads again on need
    (instance,) = (await admin.ListModelInstances(admin_pb.ListModelInstancesRequest())).instances
    assert instance.state == models_pb.MODEL_STATE_READY
    watch.cancel()
    await asyncio.wait([following])


async def test_admin_of_an_unknown_model(server: Server) -> None:
    admin = admin_stub(server.admin)
    for call in (
        admin.LoadModel(admin_pb.LoadModelRequest(model="x")),
        admin.UnloadModel(admin_pb.UnloadModelRequest(model="x")),
        admin.ListModelInstances(admin_pb.ListModelInstancesRequest(model="x")),
    ):
        (await failure_of(call)).is_("NOT_FOUND", "MODEL_NOT_FOUND", "ResourceInfo")
    watch = admin.WatchModelInstances(admin_pb.WatchModelInstancesRequest(model="x"))
    with pytest.raises(aio.AioRpcError) as caught:
        await watch.read()
    Failure.of(caught.value).is_("NOT_FOUND", "MODEL_NOT_FOUND", "ResourceInfo")


async def test_status_and_caches(server: Server) -> None:
    admin = admin_stub(server.admin)
    async with server.talk() as talk:
        await talk.read()
        status = await admin.GetServerStatus(admin_pb.GetServerStatusRequest())
        assert (status.open_streams, status.open_requests, status.draining) == (1, 0, False)
        assert status.version
        assert status.rss_bytes > 10_000_000
        assert status.start_time.seconds > 1_700_000_000
        assert [i.model for i in status.instances] == ["fake"]
    cleared = await admin.ClearCaches(admin_pb.ClearCachesRequest())
    assert (cleared.entries, cleared.size_bytes) == (0, 0)
    for kind in (0, 77):
        kinds: Any = [kind]
        call = admin.ClearCaches(admin_pb.ClearCachesRequest(kinds=kinds))
        (await failure_of(call)).is_("INVALID_ARGUMENT", "INVALID_FIELD", "BadRequest")


async def test_the_public_port_has_no_admin_and_no_channelz(server: Server) -> None:
    calls = (
        admin_stub(server.channel).GetServerStatus(admin_pb.GetServerStatusRequest()),
        channelz(server.channel).GetServers(channelz_pb2.GetServersRequest()),
    )
    for call in calls:
        with pytest.raises(aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def health(channel: aio.Channel, service: str) -> int:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    return (await stub.Check(health_pb2.HealthCheckRequest(service=service))).status


async def test_health_and_drain_through_admin() -> None:
    async with running("server.drain_notice_s=0.5") as server:
        for channel in (server.channel, server.admin):
            for service in ("", RECOGNITION, "speech.v1.ModelService"):
                assert await health(channel, service) == SERVING
            with pytest.raises(aio.AioRpcError) as caught:
                await health(channel, "speech.v1.NoService")
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        stub: Any = health_pb2_grpc.HealthStub(server.admin)
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=RECOGNITION))
        assert (await watch.read()).status == SERVING
        running_app = asyncio.create_task(server.app.wait())
        async with server.talk() as talk:
            await talk.audio(speech(1000))
            await talk.until("speech_event")
            grace = Duration(seconds=10)
            drained = await admin_stub(server.admin).DrainServer(
                admin_pb.DrainServerRequest(grace=grace)
            )
            assert drained.open_streams == 1
            assert (await asyncio.wait_for(watch.read(), WAIT_S)).status == NOT_SERVING
            assert await health(server.admin, RECOGNITION) == NOT_SERVING
            going = await talk.until("going_away")
            assert 5_000 < going.drain_ms <= 10_500
            assert going.resume_token.startswith("r1.")
            async with server.talk() as late:  # within the notice: admitted, and told
                await late.until("going_away")
                await late.end()
            await until(lambda: server.app.parts.admission.draining)
            async with server.talk() as refused:
                failure = await refused.fails()
            failure.is_("UNAVAILABLE", "DRAINING", "RetryInfo")
            await talk.end()
            assert talk.finals[0].text == "zero one"
        await asyncio.wait_for(running_app, WAIT_S)


async def test_a_drain_ends_every_stream_by_itself() -> None:
    """Streams that go on, that have said nothing yet, and that wait for a FINAL."""
    model = fake_model(step_ms=300)
    async with running("server.drain_grace_s=1", models=[model]) as server:
        running_app = asyncio.create_task(server.app.wait())
        silent = server.recognition.StreamingRecognize()
        mute = Talk(silent, raw_config())
        async with server.talk() as talk:
            await talk.audio(speech(1000))
            await talk.until("speech_event")
            await until(lambda: server.app.parts.admission.open_streams == 2)
            server.app.stop()
            failure = await talk.fails()
            failure.is_("UNAVAILABLE", "DRAINING", "RetryInfo")
            assert talk.finals[0].text == "zero one"
            (await mute.fails()).is_("UNAVAILABLE", "DRAINING", "RetryInfo")
        await asyncio.wait_for(running_app, WAIT_S)


REFLECTIONS = ["grpc.reflection.v1", "grpc.reflection.v1alpha"]


async def ask(channel: aio.Channel, package: str, **question: Any) -> Any:
    call = channel.stream_stream(
        f"/{package}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection.ServerReflectionResponse.FromString,
    )(iter([reflection.ServerReflectionRequest(**question)]))
    return await call.read()


@pytest.mark.parametrize("package", REFLECTIONS)
async def test_reflection(server: Server, package: str) -> None:
    reply = await ask(server.channel, package, list_services="")
    names = {s.name for s in reply.list_services_response.service}
    assert {RECOGNITION, "speech.v1.ModelService", "grpc.health.v1.Health"} <= names
    assert {n for n in names if "reflection" in n} == {"grpc.reflection.v1alpha.ServerReflection"}
    assert not any("admin" in name for name in names)
    reply = await ask(server.channel, package, file_containing_symbol=RECOGNITION)
    (encoded,) = reply.file_descriptor_response.file_descriptor_proto[:1]
    assert FileDescriptorProto.FromString(encoded).package == "speech.v1"
    reply = await ask(server.admin, package, list_services="")
    names = {s.name for s in reply.list_services_response.service}
    assert "speech.admin.v1.ModelAdminService" in names
    assert RECOGNITION not in names


async def test_reflection_can_be_switched_off() -> None:
    async with running("server.reflection=false") as server:
        with pytest.raises(aio.AioRpcError) as caught:
            await ask(server.channel, REFLECTIONS[0], list_services="")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def channelz(channel: aio.Channel) -> Any:
    stub: Any = channelz_pb2_grpc.ChannelzStub
    return stub(channel)


async def test_channelz_is_on_the_admin_port(server: Server) -> None:
    await server.works()
    reply = await channelz(server.admin).GetServers(channelz_pb2.GetServersRequest())
    assert sum(s.data.calls_started for s in reply.server) >= 1
