"""Runs the application until a signal ends it."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable

from loguru import logger

from speech_service.app.application import Application
from speech_service.app.descriptors import ShortageLog
from speech_service.config.tree import Config, ConfigError
from speech_service.observability.process_log import ProcessLog


def run(config: Config, reload: Callable[[], Config] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status.

    A second signal ends the drain at once: open calls get their error, no more results. SIGHUP re-reads certificates,
    the files of ``[auth]`` and, by ``reload``, the log level; SIGUSR1 logs what is open. Exit status 1: a fault of
    ours, which is logged; 2: the configuration is wrong.
    """
    log = ProcessLog(config.observability, capture=True)
    try:
        return asyncio.run(_serve(config, reload or (lambda: config), log))
    except ConfigError as error:
        logger.error("{}", error)
        return 2
    except Exception as error:  # noqa: BLE001 - the last that can log it
        logger.opt(exception=error).critical("the service failed: {}", type(error).__name__)
        return 1
    finally:
        # Native objects that a cycle holds to the end are reported as leaks by their library, as if we had failed.
        gc.unfreeze()
        gc.collect()
        log.close()


async def _serve(config: Config, reload: Callable[[], Config], log: ProcessLog) -> int:
    asyncio.get_running_loop().set_exception_handler(ShortageLog())
    application = Application(config)
    application.parts.observer.follow_log(lambda: log.output.dropped)
    try:
        await application.start()
        settle_memory()
        waiting = asyncio.create_task(application.wait())
        _handle_signals(application, waiting, reload, log)
        _announce(application, log)
        try:
            await waiting
        except asyncio.CancelledError:
            logger.warning("second signal: stopping at once")
            await application.give_up()
    finally:
        await application.close()
    logger.info("stopped")
    return 0


def settle_memory() -> None:
    """What start-up made lives as long as the process: the collector need not walk it again and again.

    A stream that ends leaves some hundred objects in cycles, 12 kB, which only a full collection finds. These
    thresholds ask for one every 2,500 streams or so; it takes some 20 ms with 500 streams open.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 5, 5)


def _handle_signals(
    application: Application,
    waiting: "asyncio.Task[None]",
    reload: Callable[[], Config],
    log: ProcessLog,
) -> None:
    seen: list[int] = []

    def on_end(number: int) -> None:
        if seen:
            waiting.cancel()
        seen.append(number)
        application.stop()

    def on_reload() -> None:
        try:
            observability = reload().observability
            log.change(observability)
            application.change_log(observability)
        except ConfigError as error:
            logger.error("SIGHUP: the configuration stays as it was. {}", error)
        application.reload_certificates()
        application.reload_auth()
        logger.info("SIGHUP: log level, certificates and the files of [auth] are read again")

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_end, number)
    with contextlib.suppress(AttributeError):  # not every system has them
        loop.add_signal_handler(signal.SIGHUP, on_reload)
        loop.add_signal_handler(signal.SIGUSR1, application.log_state)


def _announce(application: Application, log: ProcessLog) -> None:
    """One line on standard output that scripts can read, and a log line for people."""
    config, ports = application.config, application.ports
    log.announce(
        "serving",
        grpc=ports.public,
        admin=ports.admin,
        metrics=ports.metrics,
        models=",".join(model.name for model in application.parts.catalog.models),
        workers=config.worker.mode,
    )
    logger.info("serving on {} (port {})", config.server.listen, ports.public)
