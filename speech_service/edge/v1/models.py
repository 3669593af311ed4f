"""ModelService: what the server can do."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from grpc import aio

from speech.v1 import common_pb2, model_service_pb2, model_service_pb2_grpc
from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.requests.recognition import MAX_CONTEXT_CHARACTERS, match_language
from speech_service.config.tree import ServerConfig
from speech_service.domain.audio import MAX_CHANNELS
from speech_service.domain.models import (
    ModelCapabilities,
    ModelKind,
    ModelState,
    ModelStatus,
    WorkerStatus,
)
from speech_service.edge.v1 import common as convert

ServicerContext = aio.ServicerContext[Any, Any]
Report = Callable[[], Awaitable[tuple[Sequence[ModelStatus], Sequence[WorkerStatus]]]]
"""Every model and every worker, now."""

KINDS = {
    ModelKind.RECOGNIZER: model_service_pb2.MODEL_KIND_RECOGNIZER,
    ModelKind.SYNTHESIZER: model_service_pb2.MODEL_KIND_SYNTHESIZER,
    ModelKind.ALIGNER: model_service_pb2.MODEL_KIND_ALIGNER,
    ModelKind.TRANSLATOR: model_service_pb2.MODEL_KIND_TRANSLATOR,
    ModelKind.LANGUAGE_IDENTIFIER: model_service_pb2.MODEL_KIND_LANGUAGE_IDENTIFIER,
}
STATES = {
    ModelState.UNLOADED: model_service_pb2.MODEL_STATE_UNLOADED,
    ModelState.LOADING: model_service_pb2.MODEL_STATE_LOADING,
    ModelState.READY: model_service_pb2.MODEL_STATE_READY,
    ModelState.UNLOADING: model_service_pb2.MODEL_STATE_UNLOADING,
    ModelState.FAILED: model_service_pb2.MODEL_STATE_FAILED,
}
_BEST_FIRST = (
    *(ModelState.READY, ModelState.LOADING, ModelState.UNLOADED),
    *(ModelState.UNLOADING, ModelState.FAILED),
)
"""Of a model that several workers have, the state that a client meets."""
_PREFIX = "CAPABILITY_"
_PUBLIC = set(model_service_pb2.Capability.keys())


class ModelServicer(model_service_pb2_grpc.ModelServiceServicer):
    """speech.v1.ModelService."""

    def __init__(self, catalog: ModelCatalog, config: ServerConfig, report: Report) -> None:
        self._catalog = catalog
        self._config = config
        self._report = report

    async def ListModels(  # noqa: N802 - the name on the wire
        self, request: model_service_pb2.ListModelsRequest, context: ServicerContext
    ) -> model_service_pb2.ListModelsResponse:
        """All models, or those of one kind or language."""
        del context
        states = await self._states()
        models = [self._message(model, states) for model in self._catalog.models]
        models.sort(key=lambda m: (m.kind, m.name))
        return model_service_pb2.ListModelsResponse(
            models=[
                model
                for model in models
                if request.kind in (model_service_pb2.MODEL_KIND_UNSPECIFIED, model.kind)
                and (not request.language or match_language(request.language, model.languages))
            ]
        )

    async def GetModel(  # noqa: N802 - the name on the wire
        self, request: model_service_pb2.GetModelRequest, context: ServicerContext
    ) -> model_service_pb2.GetModelResponse:
        """One model by name."""
        del context
        model = self._catalog.get(request.name)
        states = await self._states()
        return model_service_pb2.GetModelResponse(model=self._message(model, states))

    async def _states(self) -> Mapping[str, ModelState]:
        models, _ = await self._report()
        states: dict[str, ModelState] = {}
        for status in models:
            others = states.get(status.model, status.state)
            states[status.model] = min(status.state, others, key=_BEST_FIRST.index)
        return states

    def _message(
        self, model: ModelCapabilities, states: Mapping[str, ModelState]
    ) -> model_service_pb2.Model:
        capabilities = sorted(
            model_service_pb2.Capability.Value(_PREFIX + c.value)
            for c in model.capabilities
            if _PREFIX + c.value in _PUBLIC
        )
        return model_service_pb2.Model(
            name=model.name,
            kind=KINDS[model.kind],
            state=STATES[states[model.name]],
            languages=sorted(model.languages),
            sample_rate_hz=model.sample_rate_hz,
            capabilities=capabilities,
            limits=common_pb2.Limits(
                max_audio_message_bytes=convert.uint32(self._config.max_audio_message_bytes),
                max_unary_reply_bytes=convert.uint32(self._config.max_unary_reply_bytes),
                max_context_characters=MAX_CONTEXT_CHARACTERS,
                max_context_tokens=model.max_context_tokens or None,
                max_channels=MAX_CHANNELS,
                max_segment_ms=model.max_segment_ms,
            ),
            language_pairs=[
                model_service_pb2.LanguagePair(source=source, target=target)
                for source, target in model.language_pairs
            ],
            is_default=self._catalog.is_default(model),
            licence=model.licence,
            description=model.description,
        )
