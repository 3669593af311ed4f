"""The questions beside the work: is every model alive, what is loaded, load this, unload that."""

import logging
import resource
import sys
from pathlib import Path

from speech_service.dispatch.models import ModelHost
from speech_service.dispatch.scheduler import Scheduler
from speech_service.dispatch.workers import codec
from speech_service.dispatch.workers.messages import (
    Answered,
    Asked,
    BeatNow,
    Beats,
    LoadModel,
    ModelLoaded,
    ModelUnloaded,
    ProcessStatus,
    Question,
    QuestionFailed,
    Reply,
    TellStatus,
    UnloadModel,
)
from speech_service.domain.errors import InternalError, SpeechError
from speech_service.domain.models import ModelState, ModelStatus
from speech_service.engines.runtimes.gpus import gpu_memory_bytes
from speech_service.worker.heartbeat import Pulse
from speech_service.worker.telemetry import BufferingObserver

logger = logging.getLogger(__name__)


class Answers:
    """Answers the questions of one front end. Event loop only."""

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

    async def answer(self, question: Question) -> Reply:
        """The answer to a question, or why there is none. Takes as long as what is asked for; raises nothing."""
        try:
            answered = await self._answer(question.asked)
        except SpeechError as error:
            answered = QuestionFailed(codec.pack_error(error))
        except Exception:
            logger.exception("a question of the front end failed")
            answered = QuestionFailed(codec.pack_error(InternalError("internal error")))
        return Reply(question.number, answered)

    async def _answer(self, asked: Asked) -> Answered:
        match asked:
            case BeatNow(timeout_s=timeout_s):
                beats = await self._pulse.beat(timeout_s)
                return Beats(tuple(beats), self._observer.drain())
            case TellStatus():
                return self._status()
            case LoadModel(model=model):
                return ModelLoaded(await self._host.load(model))
            case UnloadModel(model=model):
                return ModelUnloaded(await self._host.unload(model))

    def _status(self) -> ProcessStatus:
        stats = self._scheduler.stats()
        models = tuple(
            ModelStatus(name, state, active=stats.running.get(name, 0))
            for name, state in self._host.states.items()
            if state is not ModelState.UNLOADED
        )
        queued = sum(entry.depth for entry in stats.queued.values())
        return ProcessStatus(models, queued, rss_bytes(), gpu_memory_bytes())


def rss_bytes() -> int:
    """Resident memory of this process; its peak where the system does not say."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
