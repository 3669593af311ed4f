"""Models inside the front end (``worker.mode = "inline"``)."""

import asyncio
from collections.abc import Sequence

from speech_service.config.tree import Config
from speech_service.dispatch.device import lane_count
from speech_service.dispatch.inline_control import InlineControl
from speech_service.dispatch.models import ModelHost
from speech_service.dispatch.scheduler import Scheduler
from speech_service.engines import registry
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine, ModelControl, Observer


def build_inline(
    config: Config, names: Sequence[str], observer: Observer
) -> tuple[ModelHost, Scheduler, ModelControl]:
    """The scheduler, the models that load into it on first need, and their control; must run on the event loop."""
    scheduler = Scheduler({}, config.scheduler, observer, asyncio.get_running_loop())
    models = dict(zip(names, config.models, strict=True))

    def build(name: str) -> Sequence[Engine]:
        shared = SharedModels()
        lanes = lane_count(registry.device_of(models[name]), config.scheduler.lanes)
        return [registry.build_engine(models[name], shared) for _ in range(lanes)]

    host = ModelHost(names, build, scheduler)
    return host, scheduler, InlineControl(host, scheduler)
