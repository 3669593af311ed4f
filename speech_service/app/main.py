"""Runs the application until a signal ends it."""

import asyncio
import gc
import signal
import sys

from loguru import logger

from speech_service.app.application import Application
from speech_service.app.descriptors import ShortageLog
from speech_service.config import Config, ConfigError
from speech_service.observability.logging import configure


def run(config: Config) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status.

    A second signal ends the drain at once. Exit status 2: the configuration is wrong.
    """
    configure(config.observability)
    try:
        return asyncio.run(_serve(config))
    except ConfigError as error:
        logger.error("{}", error)
        return 2


async def _serve(config: Config) -> int:
    asyncio.get_running_loop().set_exception_handler(ShortageLog())
    application = Application(config)
    try:
        await application.start()
        _settle_memory()
        _announce(application)
        waiting = asyncio.create_task(application.wait())
        _stop_on_signals(application, waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            logger.warning("second signal: stopping at once")
    finally:
        await application.close()
    logger.info("stopped")
    return 0


def _settle_memory() -> None:
    """What start-up made lives as long as the process: the collector need not walk it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _stop_on_signals(application: Application, waiting: "asyncio.Task[None]") -> None:
    seen: list[int] = []

    def on_signal(number: int) -> None:
        if seen:
            waiting.cancel()
        seen.append(number)
        application.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)


def _announce(application: Application) -> None:
    """One line on standard output that scripts can read, and a log line for people."""
    config, ports = application.parts.edge.config, application.ports
    models = ",".join(model.name for model in application.parts.edge.catalog.models)
    line = (
        f"serving grpc={ports.public} admin={ports.admin} metrics={ports.metrics} "
        f"models={models} workers={config.worker.mode}"
    )
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
    logger.info("serving on {} (port {})", config.server.listen, ports.public)
