"""Builds the parts of the front end from the configuration. Every choice of a strategy is made here, once."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from speech_service.audio.containers import DecoderPool
from speech_service.config import Config, ConfigError
from speech_service.domain.errors import ResourceNotFoundError
from speech_service.domain.models import ModelCapabilities
from speech_service.engines import registry
from speech_service.engines.shared import SharedModels
from speech_service.observability.logging import AccessLog
from speech_service.observability.prometheus import PrometheusObserver
from speech_service.protocols import (
    CallObserver,
    Engine,
    ModelControl,
    NullTracer,
    Submitter,
    Tracer,
    Vad,
)
from speech_service.scheduler.inline_control import InlineControl
from speech_service.scheduler.model_host import ModelHost
from speech_service.scheduler.remote import RemoteSubmitter
from speech_service.scheduler.remote.control import RemoteControl
from speech_service.scheduler.scheduler import Scheduler
from speech_service.servicers.admission import Admission
from speech_service.servicers.catalog import ModelCatalog
from speech_service.servicers.convert_recognition import RecognitionConverter
from speech_service.servicers.recognize_session import RecognitionParts


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that the application starts and stops."""

    config: Config
    catalog: ModelCatalog
    submitter: Submitter
    control: ModelControl
    vad: Vad
    decoders: DecoderPool
    admission: Admission
    observer: PrometheusObserver
    tracer: Tracer
    call_observers: Sequence[CallObserver]
    close_tracer: Callable[[], None] | None
    remote: RemoteSubmitter | None
    inline: tuple[ModelHost, Scheduler] | None

    @property
    def recognition(self) -> RecognitionParts:
        """What RecognitionService needs."""
        return RecognitionParts(
            config=self.config,
            submitter=self.submitter,
            vad=self.vad,
            decoders=self.decoders,
            converter=RecognitionConverter(self.catalog, self.config.recognition),
            admission=self.admission,
            observer=self.observer,
            tracer=self.tracer,
        )


def compose(config: Config) -> Parts:
    """Build the parts; must run on the event loop.

    Raises:
        ConfigError: a model, backend or option of the configuration does not exist or cannot be loaded.
    """
    described = [
        registry.describe(model, f"models[{index}]") for index, model in enumerate(config.models)
    ]
    catalog = _catalog(described, config.recognition.default_model)
    observer = PrometheusObserver()
    tracer, call_observers, close_tracer = _observers(config, observer)
    names = [model.name for model in catalog.models]
    remote, inline = None, None
    if config.worker.mode == "process":
        remote = RemoteSubmitter(config, names, observer, asyncio.get_running_loop())
        submitter: Submitter = remote
        control: ModelControl = RemoteControl(remote, names)
    else:
        inline = _inline(config, names, observer)
        submitter, control = inline[0], InlineControl(*inline)
    return Parts(
        config=config,
        catalog=catalog,
        submitter=submitter,
        control=control,
        vad=registry.build_vad(config.vad),
        decoders=DecoderPool(config.decoder.idle_timeout_s, config.decoder.max_processes),
        admission=Admission(config.server, observer),
        observer=observer,
        tracer=tracer,
        call_observers=call_observers,
        close_tracer=close_tracer,
        remote=remote,
        inline=inline,
    )


def _catalog(described: Sequence[ModelCapabilities], default: str) -> ModelCatalog:
    names = [model.name for model in described]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ConfigError(f"models[{index}].name: {name!r} is taken by another model")
    try:
        return ModelCatalog(described, default)
    except ResourceNotFoundError as error:
        raise ConfigError(f"recognition.default_model: {error.message}") from error


def _observers(
    config: Config, observer: PrometheusObserver
) -> tuple[Tracer, Sequence[CallObserver], Callable[[], None] | None]:
    log = AccessLog()
    if not config.observability.otlp_endpoint:
        return NullTracer(), (observer, log), None
    # The SDK costs memory and start-up time; only a configured endpoint pays for it.
    from speech_service.observability.tracing import otlp_tracer

    tracer = otlp_tracer(config.observability.otlp_endpoint, config.observability.service_name)
    return tracer, (observer, tracer, log), tracer.close


def _inline(
    config: Config, names: Sequence[str], observer: PrometheusObserver
) -> tuple[ModelHost, Scheduler]:
    scheduler = Scheduler({}, config.scheduler, observer, asyncio.get_running_loop())
    models = dict(zip(names, config.models, strict=True))
    lanes = config.scheduler.lanes or os.cpu_count() or 1

    def build(name: str) -> Sequence[Engine]:
        shared = SharedModels()
        return [registry.build_engine(models[name], shared) for _ in range(lanes)]

    return ModelHost(names, build, scheduler), scheduler
