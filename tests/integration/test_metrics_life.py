"""Every metric over a life: start, work (each RPC), idle, a worker killed and back. What operators read is true."""

import asyncio
import urllib.request
from collections.abc import Mapping
from typing import Any

import psutil
import pytest
from grpc import aio
from prometheus_client.parser import text_string_to_metric_families

from speech.admin.v1 import model_admin_service_pb2 as admin_pb
from speech.admin.v1 import model_admin_service_pb2_grpc as admin_grpc
from speech.v1 import model_service_pb2 as model_pb
from speech.v1 import recognition_service_pb2 as pb
from speech.v1 import synthesis_service_pb2 as speech_pb
from speech.v1 import translation_service_pb2 as translate_pb
from speech.v1 import voice_service_pb2 as voice_pb
from speech_service import __version__
from speech_service.config.tree import ModelConfig
from speech_service.domain.models import ModelState
from speech_service.observability.metrics import METRICS
from tests.integration.failures import WAIT_S, failure_of
from tests.integration.harness import Server, fake_model, raw_config, recognize, running, until
from tests.integration.sound import speech
from tests.integration.synthesis_harness import SpeechTalk, hum, speech_stub, voice_stub
from tests.integration.test_alignment import align, stream, words
from tests.integration.test_alignment import sound as align_sound
from tests.integration.translating import Interpreting
from tests.integration.translating import config as translate_config
from tests.integration.translating import stub as translate_stub

Labels = frozenset[tuple[str, str]]
Samples = Mapping[tuple[str, Labels], float]

MODELS = (
    fake_model(step_ms=2),
    hum(languages=("en", "pt")),
    *(ModelConfig(kind=f"{kind}/fake") for kind in ("aligner", "translator", "language")),
)
NAMES = ("fake", "fake-synthesizer", "fake-aligner", "fake-translator", "fake-identifier")
SETTINGS = (
    "worker.mode=process",
    "worker.idle_timeout_s=0",
    "worker.heartbeat_interval_s=0.2",
    "synthesis.cache_bytes=1000000",
    "server.max_streams=9",
    "server.admission=measured",
)
SAID = speech(1500, 1000, 1000)
HOSTILE = "hostile-label"
ELSEWHERE = {
    *("speech_worker_up", "speech_worker_state", "speech_outbox_depth"),
    *("speech_synthesis_cut_total", "speech_recognition_repairs_total"),
    "speech_log_lines_dropped_total",
    *("speech_auth_refused_total", "speech_auth_file_reloads_total", "speech_quota_exceeded_total"),
    *("speech_certificate_reloads_total", "speech_reload_failed"),
    *("speech_tenant_calls_total", "speech_tenant_characters_total"),
    *("speech_tenant_audio_received_seconds_total", "speech_tenant_audio_sent_seconds_total"),
}
"""What a worker's keeper tells of itself, what is of tenants, and what does not happen in a good life, is tested with
what it is about."""
RPCS = {
    ("unary", "RecognitionService", "Recognize"): 2,
    ("bidi_stream", "RecognitionService", "StreamingRecognize"): 2,
    ("unary", "SynthesisService", "Synthesize"): 2,
    ("server_stream", "SynthesisService", "SynthesizeChunked"): 1,
    ("bidi_stream", "SynthesisService", "StreamingSynthesize"): 1,
    ("unary", "AlignmentService", "Align"): 1,
    ("bidi_stream", "AlignmentService", "StreamingAlign"): 1,
    ("unary", "TranslationService", "TranslateText"): 1,
    ("unary", "TranslationService", "TranslateSpeech"): 1,
    ("bidi_stream", "TranslationService", "StreamingTranslate"): 2,
    ("unary", "ModelService", "ListModels"): 1,
    ("unary", "ModelService", "GetModel"): 1,
    ("unary", "VoiceService", "ListVoices"): 1,
    ("unary", "VoiceService", "GetVoice"): 1,
}
"""Type, service and method of everything that ``each_rpc`` calls, and how often."""


class Page:
    """What is on the metrics page now."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples
        self.asked: set[str] = set()
        """Names of the samples that were looked at."""

    @classmethod
    async def of(cls, server: Server) -> "Page":
        """Read it."""

        def get() -> str:
            with urllib.request.urlopen(server.metrics_url, timeout=WAIT_S) as response:
                return response.read().decode()

        families = text_string_to_metric_families(await asyncio.to_thread(get))
        return cls(
            {
                (sample.name, frozenset(sample.labels.items())): sample.value
                for family in families
                for sample in family.samples
            }
        )

    def value(self, name: str, **labels: str) -> float:
        """Of the one sample with these labels; 0 where there is none."""
        self.asked.add(name)
        return self.samples.get((name, frozenset(labels.items())), 0.0)

    def total(self, name: str, **labels: str) -> float:
        """Of all samples that have these labels, whatever others they have."""
        self.asked.add(name)
        wanted = set(labels.items())
        return sum(v for (n, have), v in self.samples.items() if n == name and wanted <= have)

    def states(self) -> dict[str, str]:
        """The state of each model; checks that it is in one."""
        states: dict[str, str] = {}
        for name in NAMES:
            ones = [s.value for s in ModelState if self._is(name, s)]
            assert len(ones) == 1, (name, ones)
            states[name] = ones[0]
        return states

    def _is(self, model: str, state: ModelState) -> bool:
        return self.total("speech_model_state", model=model, state=state.value) == 1


async def each_rpc(server: Server) -> None:
    """Every method of the public contract, once or as RPCS says."""
    timeout: Any = {"timeout": WAIT_S}
    unary = pb.RecognizeRequest(config=raw_config(), audio=SAID)
    await server.recognition.Recognize(unary, **timeout)
    await failure_of(server.recognition.Recognize(pb.RecognizeRequest(config=raw_config())))
    async with server.talk() as talk:
        await talk.audio(SAID[:32_000])
        await talk.until("result")  # a partial, whose tokens the next work carries
        await talk.audio(SAID[32_000:])
        await talk.end()
    await recognize(server, SAID, raw_config(pacing=2))
    speak = speech_stub(server)
    for _ in range(2):  # the second from the cache
        await speak.Synthesize(speech_pb.SynthesizeRequest(text="One two."), **timeout)
    call = speak.SynthesizeChunked(speech_pb.SynthesizeChunkedRequest(text="Three."), **timeout)
    assert [event async for event in call]
    async with SpeechTalk(server) as talk:
        await talk.text("Four five.", "a")
        await talk.end()
    await align(server, "one two", SAID)
    await stream(server, [*words("one two"), *align_sound(SAID)])
    translate = translate_stub(server.channel)
    text = translate_pb.TranslateTextRequest(config=translate_config(), text="Hello.")
    await translate.TranslateText(text, **timeout)
    heard = translate_config(recognition=raw_config())
    said = translate_pb.TranslateSpeechRequest(config=heard, audio=SAID)
    await translate.TranslateSpeech(said, **timeout)
    async with Interpreting(server.channel, heard) as interpreting:
        await interpreting.audio(SAID)
        await interpreting.end()
    async with Interpreting(server.channel, translate_config()) as interpreting:
        await interpreting.text("Hello. Again.")
        await interpreting.end()
    await server.models.ListModels(model_pb.ListModelsRequest(), **timeout)
    await server.models.GetModel(model_pb.GetModelRequest(name="fake"), **timeout)
    voices = voice_stub(server)
    listed = await voices.ListVoices(voice_pb.ListVoicesRequest(), **timeout)
    first = listed.voices[0].voice_id
    await voices.GetVoice(voice_pb.GetVoiceRequest(voice_id=first), **timeout)


async def hostile_calls(server: Server) -> None:
    """Whatever a client chooses must not become a label."""
    for service in ("speech.v1.RecognitionService", "speech.v1.SynthesisService", HOSTILE):
        call: Any = server.channel.unary_unary(f"/{service}/{HOSTILE}")
        with pytest.raises(aio.AioRpcError, match="UNIMPLEMENTED"):
            await call(b"", timeout=WAIT_S)
    metadata = (("x-request-id", HOSTILE), ("x-speech-priority", HOSTILE))
    request = model_pb.GetModelRequest(name=HOSTILE)
    await failure_of(server.models.GetModel(request, metadata=metadata, timeout=WAIT_S))
    unknown = pb.RecognizeRequest(config=raw_config(model=HOSTILE), audio=SAID)
    await failure_of(server.recognition.Recognize(unknown, timeout=WAIT_S))


def check_start(page: Page) -> None:
    assert page.total("speech_build_info", version=__version__) == 1
    assert page.value("speech_stream_limit") == 9
    assert page.value("speech_unary_limit") == 64
    assert page.value("speech_queue_limit") == 1024
    assert page.value("speech_codec_process_limit") == 64
    assert page.states() == dict.fromkeys(NAMES, "unloaded")
    assert page.total("speech_worker_resident_memory_bytes") == 0
    for metric in METRICS:
        if metric.name.endswith("_total") or metric.name.startswith("speech_active"):
            assert page.total(metric.name) == 0, metric.name
        assert page.total(f"{metric.name}_count") == 0, metric.name


def check_rpcs(page: Page) -> None:
    for (kind, service, method), count in RPCS.items():
        rpc = {"grpc_type": kind, "grpc_service": f"speech.v1.{service}", "grpc_method": method}
        failed = int(method == "Recognize")
        assert page.value("grpc_server_started_total", **rpc) == count, rpc
        handled = "grpc_server_handled_total"
        assert page.value(handled, grpc_code="OK", **rpc) == count - failed, rpc
        assert page.value(handled, grpc_code="INVALID_ARGUMENT", **rpc) == failed, rpc
        assert page.value("grpc_server_handling_seconds_count", **rpc) == count, rpc
        assert page.value("grpc_server_msg_received_total", **rpc) >= count, rpc
        assert page.value("grpc_server_msg_sent_total", **rpc) >= count - failed, rpc


def check_work(page: Page, resident_bytes: int) -> None:
    """Of everything but the RPCs and the shed calls, after ``each_rpc``."""
    assert page.value("speech_active_streams") == page.value("speech_active_unary") == 0
    assert page.value("speech_stream_load") == page.total("speech_live_demand") == 0
    assert page.total("speech_live_capacity") > 0
    seconds = len(SAID) / 32_000
    assert page.value("speech_audio_received_seconds_total") == 7 * seconds  # 2 of them alignments
    assert page.value("speech_results_total", kind="final") == 2 * 5
    assert page.value("speech_stable_prefix_broken_total") == 0
    assert page.total("speech_recognition_repairs_total") == 0
    lags = {"realtime": 2 * 2, "file": 2, "unary": 2 * 2}
    for mode, count in lags.items():
        assert page.value("speech_final_lag_seconds_count", mode=mode) == count, mode
    firsts = {
        ("Recognition", "realtime"): 1,
        ("Recognition", "file"): 1,
        ("Recognition", "unary"): 1,
        ("Alignment", "realtime"): 1,
        ("Alignment", "unary"): 1,
        ("Translation", "realtime"): 1,
        ("Translation", "unary"): 1,
        ("Translation", "text"): 1,
    }
    assert page.total("speech_first_result_seconds_count") == sum(firsts.values())
    for (service, mode), count in firsts.items():
        labels = {"grpc_service": f"speech.v1.{service}Service", "mode": mode}
        assert page.value("speech_first_result_seconds_count", **labels) == count, labels
    assert page.value("speech_unary_rtf_count") == 3
    assert page.value("speech_audio_sent_seconds_total") > 0
    for kind in ("unary", "server_stream", "bidi_stream"):
        assert page.value("speech_first_audio_seconds_count", grpc_type=kind) == 1, kind
    assert page.value("speech_synthesis_rtf_count") == 3
    assert page.value("speech_synthesis_buffer_seconds_count") >= 0
    assert page.value("speech_synthesis_underruns_total") == 0
    assert page.value("speech_audio_cache_total", outcome="hit") == 1
    assert page.value("speech_audio_cache_total", outcome="miss") == 3
    done = page.total("speech_work_total", outcome="done")
    assert done == page.total("speech_queue_wait_seconds_count") > 15
    assert page.total("speech_work_total", outcome="failed") == 0
    assert page.total("speech_queue_depth") == 0
    for stage in ("encode", "decode"):
        assert 0 < page.value(f"speech_{stage}_seconds_count") <= done
    assert page.value("speech_decode_steps_total") > 0
    assert page.total("speech_draft_tokens_total") > 0
    assert page.total("speech_work_dropped_total") == page.total(
        "speech_work_total", outcome="dropped"
    )
    for metric in ("speech_batch_occupancy", "speech_engine_step_seconds"):
        assert {m for m in NAMES if page.value(f"{metric}_count", model=m)} == set(NAMES), metric
    assert set(page.states().values()) == {"ready"}
    shown = page.total("speech_worker_resident_memory_bytes")
    assert 0.5 * resident_bytes < shown < 2 * resident_bytes
    assert page.value("speech_worker_device_memory_bytes", worker="worker-0") == 0
    assert page.total("speech_worker_restarts_total") == 0
    assert page.total("speech_worker_start_seconds_count") == 1
    assert page.total("speech_worker_heartbeat_seconds_count") > 0


def check_labels(page: Page) -> None:
    """Each sample is in the table, with label values that are."""
    table = {metric.name: metric for metric in METRICS}
    services = {f"speech.v1.{service}" for _, service, _ in RPCS} | {
        "speech.admin.v1.ModelAdminService"
    }
    methods = {method for _, _, method in RPCS} | {"UnloadModel"}
    named = {"model": set(NAMES), "grpc_service": services, "grpc_method": methods}
    named["worker"] = {"worker-0"}
    for name, labels in page.samples:
        if name.startswith("process_"):
            assert not labels
            continue
        metric = table.get(name) or table[name.rpartition("_")[0]]
        for label in metric.labels:
            allowed = set(label.values) or named.get(label.name)
            value = dict(labels)[label.name]
            assert allowed is None or value in allowed, (name, label.name, value)
        assert {key for key, _ in labels} - {"le"} == set(metric.label_names)
    assert not any(HOSTILE in value for _, labels in page.samples for _, value in labels)


async def test_every_metric_over_a_life() -> None:
    async with running(*SETTINGS, models=MODELS) as server:
        check_start(await Page.of(server))
        await each_rpc(server)
        page = await settled(server, all_reported)
        check_rpcs(page)
        check_work(page, psutil.Process(await server.worker_pid()).memory_info().rss)
        at_start = {"speech_build_info", "speech_shed_total"}
        asked = {name.removesuffix("_count") for name in page.asked}
        missing = {m.name for m in METRICS if not m.name.endswith("_limit")} - asked - at_start
        assert missing <= ELSEWHERE, "a metric of the table that no life asserts"

        await open_streams_are_counted(server)
        await a_model_is_unloaded(server)
        await the_worker_is_killed(server, page)
        await hostile_calls(server)
        await what_is_refused_is_counted(server)
        check_labels(await Page.of(server))


async def open_streams_are_counted(server: Server) -> None:
    async with server.talk() as talk:
        await talk.until("session_started")
        assert (await Page.of(server)).value("speech_active_streams") == 1
        await talk.end()
    await until(lambda: not server.app.parts.admission.open_streams)
    assert (await Page.of(server)).value("speech_active_streams") == 0


async def a_model_is_unloaded(server: Server) -> None:
    admin: Any = admin_grpc.ModelAdminServiceStub(server.admin)
    await admin.UnloadModel(admin_pb.UnloadModelRequest(model="fake-aligner"))
    states = (await Page.of(server)).states()
    assert states == dict.fromkeys(NAMES, "ready") | {"fake-aligner": "unloaded"}


async def the_worker_is_killed(server: Server, before: Page) -> None:
    """And comes back: what was counted is not lost, and what is shown is the new one's."""
    killed = await server.worker_pid()
    psutil.Process(killed).kill()

    async def is_replaced() -> bool:
        return await server.worker_pid() not in (0, killed)

    await until(is_replaced)
    await server.works()
    page = await Page.of(server)
    assert page.total("speech_worker_restarts_total") == 1
    assert page.total("speech_worker_start_seconds_count") == 2
    assert page.states() == dict.fromkeys(NAMES, "unloaded") | {"fake": "ready"}
    assert page.total("speech_worker_resident_memory_bytes") > 10_000_000
    for name in ("speech_work_total", "speech_audio_received_seconds_total"):
        assert page.total(name) > before.total(name), name
    assert page.total("speech_work_total", outcome="failed") == 0


async def what_is_refused_is_counted(server: Server) -> None:
    server.app.parts.admission.close()
    refused = pb.RecognizeRequest(config=raw_config(), audio=SAID)
    await failure_of(server.recognition.Recognize(refused, timeout=WAIT_S))
    assert (await Page.of(server)).value("speech_shed_total", reason="draining") == 1


def all_reported(page: Page) -> bool:
    """Every call is over for the server too, and the worker's own numbers came with its heartbeats.

    Their own small inferences wait in its queue like any other work.
    """
    steps = all(page.value("speech_engine_step_seconds_count", model=name) for name in NAMES)
    beats = page.total("speech_worker_heartbeat_seconds_count")
    handled = page.total("grpc_server_handled_total") == sum(RPCS.values())
    return handled and steps and beats > 0 and page.total("speech_queue_depth") == 0


async def settled(server: Server, done: Any) -> Page:
    """The page, once ``done`` holds of it."""
    async with asyncio.timeout(WAIT_S):
        while not done(page := await Page.of(server)):  # noqa: ASYNC110 - a page announces nothing
            await asyncio.sleep(0.05)
    return page


async def test_a_worker_that_idles_is_not_there_and_nothing_is_lost() -> None:
    settings = (*SETTINGS, "worker.idle_timeout_s=0.3")
    async with running(*settings, models=MODELS) as server:
        await server.works()
        before = await Page.of(server)

        async def is_gone() -> bool:
            return await server.worker_pid() == 0

        await until(is_gone)
        page = await settled(server, lambda page: "ready" not in page.states().values())
        assert page.states() == dict.fromkeys(NAMES, "unloaded")
        assert page.total("speech_worker_resident_memory_bytes") == 0
        assert page.total("speech_worker_restarts_total") == 0, "an idle stop is no crash"
        assert page.total("speech_queue_depth") == 0
        assert page.total("speech_work_total") == before.total("speech_work_total") > 0
        await server.works()
        page = await Page.of(server)  # that it is there may be over again by now
        assert page.total("speech_worker_start_seconds_count") == 2
