"""The calls beside the work: is every model alive, what is loaded, load this, unload that."""

import logging
import os
import resource
import sys
import time
from pathlib import Path

from speech.internal.v1 import worker_pb2 as pb
from speech.v1 import model_service_pb2
from speech_service.dispatch.models import ModelHost
from speech_service.dispatch.scheduler import Scheduler
from speech_service.dispatch.workers import wire, wire_errors
from speech_service.domain.errors import InternalError, SpeechError
from speech_service.domain.models import ModelState
from speech_service.worker.heartbeat import Pulse
from speech_service.worker.telemetry import BufferingObserver

logger = logging.getLogger(__name__)

DEFAULT_HEARTBEAT_TIMEOUT_S = 5.0

_STATE_TO_WIRE = {
    ModelState.UNLOADED: model_service_pb2.MODEL_STATE_UNLOADED,
    ModelState.LOADING: model_service_pb2.MODEL_STATE_LOADING,
    ModelState.READY: model_service_pb2.MODEL_STATE_READY,
    ModelState.UNLOADING: model_service_pb2.MODEL_STATE_UNLOADING,
    ModelState.FAILED: model_service_pb2.MODEL_STATE_FAILED,
}


class Calls:
    """Answers the calls of one front end. Event loop only."""

    def __init__(
        self,
        host: ModelHost,
        scheduler: Scheduler,
        pulse: Pulse,
        observer: BufferingObserver,
    ) -> None:
        self._host = host
        self._scheduler = scheduler
        self._pulse = pulse
        self._observer = observer
        self._started_s = time.monotonic()

    async def answer(self, call: pb.Call) -> pb.Answer:
        """The answer to a call, or why there is none. Takes as long as what is asked for; raises nothing."""
        try:
            answer = await self._answer(call)
        except SpeechError as error:
            answer = pb.Answer(failed=wire_errors.encode_error(error, call.call_id))
        except Exception:
            logger.exception("a call failed")
            failure = InternalError("internal error")
            answer = pb.Answer(failed=wire_errors.encode_error(failure, call.call_id))
        answer.call_id = call.call_id
        return answer

    async def _answer(self, call: pb.Call) -> pb.Answer:
        match call.WhichOneof("question"):
            case "heartbeat":
                return pb.Answer(heartbeat=await self._heartbeat(call.heartbeat))
            case "status":
                return pb.Answer(status=self._status())
            case "load":
                load_ms = await self._host.load(call.load.model)
                model = self._loaded_model(call.load.model)
                return pb.Answer(load=pb.LoadModelResponse(model=model, load_ms=load_ms))
            case "unload":
                unloaded = await self._host.unload(call.unload.model)
                return pb.Answer(unload=pb.UnloadModelResponse(unloaded=unloaded))
            case None:
                raise InternalError("a call without a question")

    async def _heartbeat(self, request: pb.HeartbeatRequest) -> pb.HeartbeatResponse:
        """A small inference on every loaded model, all at once."""
        timeout_s = DEFAULT_HEARTBEAT_TIMEOUT_S
        if request.HasField("timeout"):
            timeout_s = request.timeout.ToNanoseconds() / 1e9
        beats = await self._pulse.beat(timeout_s)
        return pb.HeartbeatResponse(
            models=[
                pb.ModelHeartbeat(
                    model=beat.model,
                    ok=beat.ok,
                    latency_ms=beat.latency_ms,
                    message=beat.message,
                    stalled_s=beat.stalled_s,
                )
                for beat in beats
            ],
            metrics=self._observer.drain(),
        )

    def _status(self) -> pb.GetStatusResponse:
        """The state of the process."""
        stats = self._scheduler.stats()
        return pb.GetStatusResponse(
            models=[
                self._loaded_model(name)
                for name, state in self._host.states.items()
                if state is not ModelState.UNLOADED
            ],
            rss_bytes=rss_bytes(),
            queues=[
                pb.QueueDepth(
                    work_class=wire.class_to_wire(work_class),
                    depth=entry.depth,
                    oldest_ms=entry.oldest_wait_ms,
                )
                for work_class, entry in stats.queued.items()
            ],
            pid=os.getpid(),
            uptime_ms=round((time.monotonic() - self._started_s) * 1000),
        )

    def _loaded_model(self, name: str) -> pb.LoadedModel:
        """What the front end, which knows what it configured, cannot know."""
        model = model_service_pb2.Model(name=name, state=_STATE_TO_WIRE[self._host.states[name]])
        active = self._scheduler.stats().running.get(name, 0)
        return pb.LoadedModel(model=model, active=active)


def rss_bytes() -> int:
    """Resident memory of this process; its peak where the system does not say."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
