"""What a client hears of a model that several workers have: the best that it can meet."""

from collections.abc import Sequence

import pytest

from speech.v1 import model_service_pb2 as pb
from speech_service.calls.model_catalog import ModelCatalog
from speech_service.config.tree import ServerConfig
from speech_service.domain.models import (
    ModelCapabilities,
    ModelKind,
    ModelState,
    ModelStatus,
    WorkerStatus,
)
from speech_service.edge.v1.models import ModelServicer

pytestmark = pytest.mark.unit

EARS = ModelCapabilities("ears", ModelKind.RECOGNIZER, ("en",), 16_000, 20_000)
UNLOADED, LOADING, READY, UNLOADING, FAILED = ModelState


@pytest.mark.parametrize(
    ("states", "told"),
    [
        ([READY], "READY"),
        ([FAILED], "FAILED"),
        ([UNLOADED, READY], "READY"),
        ([READY, FAILED], "READY"),
        ([FAILED, LOADING, UNLOADED], "LOADING"),
        ([UNLOADING, FAILED], "UNLOADING"),
        ([FAILED, UNLOADED], "UNLOADED"),
    ],
)
async def test_the_state_of_a_model_in_several_workers(states: list[ModelState], told: str) -> None:
    async def report() -> tuple[Sequence[ModelStatus], Sequence[WorkerStatus]]:
        return [ModelStatus("ears", state, f"w{n}") for n, state in enumerate(states)], ()

    servicer = ModelServicer(ModelCatalog([EARS], "ears"), ServerConfig(), report)
    reply = await servicer.GetModel(pb.GetModelRequest(name="ears"), None)  # pyright: ignore[reportArgumentType] - not looked at
    assert reply.model.state == pb.ModelState.Value(f"MODEL_STATE_{told}")
