"""Builds the parts of the front end from the configuration. Every choice of a strategy is made here, once."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from speech_service.app.hosting import Hosting, host_models
from speech_service.calls.admission import Admission, LiveGate
from speech_service.calls.audio.source import AudioInput
from speech_service.calls.language_guess import identifier_name
from speech_service.calls.live_lag import LiveLag
from speech_service.calls.live_load import LiveLoad
from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.quotas import Quotas
from speech_service.calls.requests.alignment import AlignmentRequests
from speech_service.calls.requests.recognition import RecognitionRequests
from speech_service.calls.requests.synthesis import SynthesisRequests
from speech_service.calls.requests.translation import TranslationRequests
from speech_service.calls.requests.voice_prompt import VoiceRecordings
from speech_service.calls.resume_tokens import resume_tokens
from speech_service.calls.session_tools import SessionTools
from speech_service.calls.speech.audio_cache import AudioCache, VoicePromptCache
from speech_service.calls.speech.spoken_language import KnownLanguages
from speech_service.calls.synthesis import SpeechTools
from speech_service.calls.voices.catalog import VoiceCatalog
from speech_service.calls.voices.tenants import VoicesByTenant, voice_stores
from speech_service.config.tree import Config, ConfigError
from speech_service.dispatch.capacity import MeasuredCapacity
from speech_service.dispatch.observed import ObservedSubmitter
from speech_service.domain.errors import ResourceNotFoundError
from speech_service.domain.models import ModelCapabilities, ModelKind
from speech_service.edge.auth.setup import Auth
from speech_service.edge.services import PublicServices
from speech_service.edge.serving import Serving
from speech_service.edge.v1.alignment.servicer import AlignmentServicer
from speech_service.edge.v1.models import ModelServicer
from speech_service.edge.v1.recognition.servicer import RecognitionServicer
from speech_service.edge.v1.synthesis.servicer import SynthesisServicer
from speech_service.edge.v1.translation.config import SpeechTranslationTools
from speech_service.edge.v1.translation.servicer import TranslationServicer
from speech_service.edge.v1.voices import VoiceServicer
from speech_service.engines import registry
from speech_service.media.codec.host import CodecHost
from speech_service.media.decode.pool import DecoderPool
from speech_service.media.encode.encoder import EncoderPool
from speech_service.observability.logging import AccessLog, AuditLog
from speech_service.observability.prometheus import PrometheusObserver
from speech_service.observability.tenants import TenantUsage
from speech_service.protocols import (
    CallObserver,
    ModelControl,
    NullTracer,
    Observer,
    Submitter,
    Tracer,
)
from speech_service.tasks import keep

_SHOW_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """Everything that the application starts."""

    catalog: ModelCatalog
    admission: Admission
    auth: Auth
    tools: SessionTools
    decoders: DecoderPool
    encoders: EncoderPool
    audio_cache: AudioCache
    prompt_cache: VoicePromptCache
    public: PublicServices
    models: Hosting
    observer: PrometheusObserver
    call_observers: Sequence[CallObserver]


def compose(config: Config, closers: AsyncExitStack) -> FrontEnd:
    """Build the parts; must run on the event loop. Each leaves with ``closers`` what ends it.

    Raises:
        ConfigError: a model, backend or option of the configuration does not exist or cannot be loaded.
    """
    described = [
        registry.describe(model, f"models[{index}]") for index, model in enumerate(config.models)
    ]
    catalog = _catalog(described, config)
    _check_defaults(config, catalog)
    _check_voices(config, catalog)
    observer = PrometheusObserver()
    observer.describe(config)
    tracer, call_observers = _observers(config, observer, closers)
    closers.push_async_callback(observer.close)
    codecs = CodecHost(config.decoder.idle_timeout_s)
    closers.push_async_callback(codecs.close)
    limit, idle_s = config.decoder.max_processes, config.decoder.idle_timeout_s
    encoders = EncoderPool(codecs, limit)
    closers.push_async_callback(encoders.close)
    decoders = DecoderPool(idle_s, limit, codecs, strict=config.decoder.strict)
    closers.push_async_callback(decoders.close)
    models = host_models(config, described, observer)
    closers.push_async_callback(models.close)
    observer.ask(models.control.report)
    submitter, live = _measured(config, described, models, observer)
    tools = SessionTools(submitter, registry.build_vad(config.vad), observer, tracer)
    admission = Admission(config.server, observer, live)
    showing = keep(partial(_show, admission), "load-shown")
    closers.callback(showing.cancel)
    quotas, auth = _callers(config, observer, closers)
    synthesis = config.synthesis
    audio_cache = AudioCache(synthesis.cache_bytes, synthesis.cache_entries)
    prompt_cache = VoicePromptCache(synthesis.prompt_cache_bytes)
    return FrontEnd(
        catalog=catalog,
        admission=admission,
        auth=auth,
        tools=tools,
        decoders=decoders,
        encoders=encoders,
        audio_cache=audio_cache,
        prompt_cache=prompt_cache,
        public=_public(
            config,
            catalog,
            _serving(config, admission, quotas),
            tools,
            AudioInput(decoders, config.decoder),
            encoders,
            audio_cache,
            prompt_cache,
            models.control,
        ),
        models=models,
        observer=observer,
        call_observers=call_observers,
    )


async def _show(admission: Admission) -> None:
    """What is asked for and what can be done change while nobody comes or goes."""
    while True:
        await asyncio.sleep(_SHOW_EVERY_S)
        admission.show()


def _measured(
    config: Config,
    models: Sequence[ModelCapabilities],
    hosting: Hosting,
    observer: Observer,
) -> tuple[Submitter, LiveGate | None]:
    """Learn from all work what the devices can do, where admission goes by it."""
    if config.server.admission == "fixed":
        return hosting.submitter, None
    kinds = {model.name: model.kind for model in models}
    capacity = MeasuredCapacity(kinds, hosting.lanes, time.monotonic)
    load = LiveLoad(capacity, config.server.live_headroom, time.monotonic, observer)
    lag = LiveLag(config.server.max_live_lag_ms / 1000, time.monotonic)
    return ObservedSubmitter(hosting.submitter, (capacity, load, lag)), LiveGate(load, lag)


def _callers(
    config: Config, observer: PrometheusObserver, closers: AsyncExitStack
) -> tuple[Quotas, Auth]:
    """What callers may use, and who they are."""
    quotas = Quotas(config.auth.quotas, observer)
    auth = Auth(config, observer, observer, quotas)
    closers.push_async_callback(auth.close)
    return quotas, auth


def _serving(config: Config, admission: Admission, quotas: Quotas) -> Serving:
    """How calls of every service are taken."""
    tokens = resume_tokens(config.stream.resume_key_file)
    return Serving(admission, quotas, config.server, config.stream, tokens)


def _public(
    config: Config,
    catalog: ModelCatalog,
    serving: Serving,
    tools: SessionTools,
    audio: AudioInput,
    encoders: EncoderPool,
    audio_cache: AudioCache,
    prompt_cache: VoicePromptCache,
    control: ModelControl,
) -> PublicServices:
    """The services that clients use, each with what it works with."""
    stores = voice_stores(config.synthesis, serving.quotas)
    voices = VoicesByTenant(catalog, config.synthesis, stores)
    recordings = VoiceRecordings(audio, prompt_cache)
    speaking = SynthesisRequests(catalog, voices, recordings)
    identifier = identifier_name(catalog, config.translation.default_identifier)
    speech = SpeechTools(config.synthesis, encoders, audio_cache, identifier, KnownLanguages())
    listening = RecognitionRequests(catalog, config.recognition)
    return PublicServices(
        recognition=RecognitionServicer(serving, listening, tools, audio),
        synthesis=SynthesisServicer(serving, speaking, tools, speech),
        alignment=AlignmentServicer(serving, AlignmentRequests(catalog), tools, audio),
        translation=TranslationServicer(
            serving,
            TranslationRequests(catalog, config.translation, speaking),
            tools,
            SpeechTranslationTools(audio, listening, encoders),
            identifier,
        ),
        voices=VoiceServicer(catalog, serving, voices, recordings),
        models=ModelServicer(catalog, config.server, control.report),
    )


def _catalog(described: Sequence[ModelCapabilities], config: Config) -> ModelCatalog:
    names = [model.name for model in described]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ConfigError(f"models[{index}].name: {name!r} is taken by another model")
    recognizer, aligner = config.recognition.default_model, config.alignment.default_model
    field = "recognition.default_model"
    try:
        ModelCatalog(described, recognizer)
        field = "alignment.default_model"
        ModelCatalog(described, recognizer, aligner)
        field = "synthesis.default_model"
        return ModelCatalog(described, recognizer, aligner, config.synthesis.default_model)
    except ResourceNotFoundError as error:
        raise ConfigError(f"{field}: {error.message}") from error


def _check_voices(config: Config, catalog: ModelCatalog) -> None:
    """The voices that the configuration names must be there."""
    missing = VoiceCatalog(catalog, config.synthesis).check()
    if missing is not None:
        key, voice = missing
        raise ConfigError(f"synthesis.{key}: no model has a voice {voice!r}")


def _check_defaults(config: Config, catalog: ModelCatalog) -> None:
    """The models that a section names must be there, and of the right kind."""
    wanted = (
        ("default_model", config.translation.default_model, ModelKind.TRANSLATOR),
        (
            "default_identifier",
            config.translation.default_identifier,
            ModelKind.LANGUAGE_IDENTIFIER,
        ),
    )
    for key, name, kind in wanted:
        try:
            if name:
                catalog.find(name, kind)
        except ResourceNotFoundError as error:
            raise ConfigError(f"translation.{key}: {error.message}") from error


def _observers(
    config: Config, observer: PrometheusObserver, closers: AsyncExitStack
) -> tuple[Tracer, Sequence[CallObserver]]:
    usage = TenantUsage(observer, config.auth.metric_tenants)
    logs = (AccessLog(), AuditLog())
    if not config.observability.otlp_endpoint:
        return NullTracer(), (observer, usage, *logs)
    # The SDK costs memory and start-up time; only a configured endpoint pays for it.
    from speech_service.observability.tracing import otlp_tracer

    tracer = otlp_tracer(config.observability.otlp_endpoint, config.observability.service_name)
    closers.push_async_callback(asyncio.to_thread, tracer.close)
    return tracer, (observer, usage, tracer, *logs)
