"""The observer that counts, on prometheus-client. What may be counted is declared in ``metrics``."""

import asyncio
import platform
from collections.abc import Callable, Coroutine, Iterator, Sequence
from importlib.metadata import version
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from speech_service import __version__
from speech_service.config.tree import Config
from speech_service.domain.call import Call
from speech_service.domain.models import ModelState, ModelStatus, WorkerStatus
from speech_service.observability.metrics import LOG_LINES_DROPPED, METRICS, Metric, MetricKind
from speech_service.observability.metrics_server import MetricsServer

_REPORT_TIMEOUT_S = 2.0
"""How long a scrape waits to hear how the models are; it goes without them where that takes longer."""

disable_created_metrics()  # one more series for every counter and histogram, which nobody reads

Report = Callable[[], Coroutine[Any, Any, tuple[Sequence[ModelStatus], Sequence[WorkerStatus]]]]


class PrometheusObserver:
    """Observer and call observer that counts, and serves the page of what it counted.

    An undeclared name is a KeyError, labels other than declared are a ValueError: bugs, found by any test. Lanes
    report from threads of their own.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        """Everything that is on the page."""
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for metric in METRICS:
            self._register(metric)
        ProcessCollector(registry=self.registry)
        self._log_drops: Callable[[], int] = lambda: 0
        self.registry.register(_LogDrops(lambda: self._log_drops()))
        self._server = MetricsServer(self.registry)

    def _register(self, metric: Metric) -> None:
        names, unit = metric.label_names, metric.unit.value
        match metric.kind:
            case MetricKind.COUNTER if not metric.is_asked:
                self._counters[metric.name] = Counter(
                    metric.name, metric.help, names, unit=unit, registry=self.registry
                )
            case MetricKind.GAUGE if not metric.is_asked:
                self._gauges[metric.name] = Gauge(
                    metric.name, metric.help, names, unit=unit, registry=self.registry
                )
            case MetricKind.HISTOGRAM:
                self._histograms[metric.name] = Histogram(
                    metric.name,
                    metric.help,
                    names,
                    unit=unit,
                    registry=self.registry,
                    buckets=metric.buckets,
                )
            case _:
                return

    def describe(self, config: Config) -> None:
        """Say what is running, and what bounds its load."""
        self.gauge(
            "speech_build_info",
            1.0,
            version=__version__,
            python=platform.python_version(),
            grpc=version("grpcio"),
        )
        self.gauge("speech_stream_limit", config.server.max_streams)
        self.gauge("speech_unary_limit", config.server.max_unary)
        self.gauge("speech_queue_limit", config.scheduler.max_queued)
        self.gauge("speech_codec_process_limit", config.decoder.max_processes)

    def ask(self, report: Report) -> None:
        """Ask ``report`` how models and worker are whenever somebody looks; must run on the event loop."""
        self.registry.register(_Asked(report, asyncio.get_running_loop()))

    async def serve(self, host: str, port: int) -> int:
        """Serve ``/metrics`` over HTTP; returns the port.

        Raises:
            OSError: the address is in use or not ours.
        """
        return await self._server.start(host, port)

    async def close(self) -> None:
        """Stop serving."""
        await self._server.close()

    async def serve_unix(self, path: str) -> None:
        """Serve ``/metrics`` over HTTP on a unix socket.

        Raises:
            OSError: the socket cannot be made.
        """
        await self._server.start_unix(path)

    def follow_log(self, dropped: Callable[[], int]) -> None:
        """Show the lines that the log dropped; ``dropped`` gives their number so far."""
        self._log_drops = dropped

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Add to a counter."""
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc(value)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Record one observation."""
        histogram = self._histograms[name]
        (histogram.labels(**labels) if labels else histogram).observe(value)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        gauge = self._gauges[name]
        (gauge.labels(**labels) if labels else gauge).set(value)

    def call_started(self, call: Call) -> None:
        """Count an RPC that began."""
        self.count("grpc_server_started_total", 1.0, **_labels(call))

    def call_ended(self, call: Call, code: str) -> None:
        """Count an RPC that is over. Its message counts are added here, once, to keep the message path free."""
        labels = _labels(call)
        elapsed_s = call.elapsed_s()
        self.count("grpc_server_handled_total", 1.0, grpc_code=code, **labels)
        self.count("grpc_server_msg_received_total", call.received, **labels)
        self.count("grpc_server_msg_sent_total", call.sent, **labels)
        self.observe("grpc_server_handling_seconds", elapsed_s, **labels)
        if call.rpc_type == "unary" and call.usage and call.usage.audio_in_ms:
            self.observe("speech_unary_rtf", elapsed_s * 1000 / call.usage.audio_in_ms)


class _Asked(Collector):
    """Metrics that are true when somebody looks: asks the event loop, from the thread of a scrape."""

    def __init__(self, report: Report, loop: asyncio.AbstractEventLoop) -> None:
        self._report = report
        self._loop = loop

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Give the families without samples."""
        return iter(_asked().values())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give the families; empty where the service does not answer in time."""
        families = _asked()
        asked = asyncio.run_coroutine_threadsafe(self._report(), self._loop)
        try:
            models, workers = asked.result(_REPORT_TIMEOUT_S)
        except TimeoutError:
            asked.cancel()
            return iter(families.values())
        states = families["speech_model_state"]
        for model in models:
            for state in ModelState:
                labels = model.model, model.worker_id, state.value
                states.add_metric(labels, float(state is model.state))
        for worker in workers:
            if worker.rss_bytes or not worker.pid:  # else it did not answer
                label = (worker.worker_id,)
                resident, held = worker.rss_bytes, worker.device_memory_bytes
                families["speech_worker_resident_memory_bytes"].add_metric(label, resident)
                families["speech_worker_device_memory_bytes"].add_metric(label, held)
        return iter(families.values())


class _LogDrops(Collector):
    """The lines that the log could not get rid of, as the log counts them."""

    def __init__(self, dropped: Callable[[], int]) -> None:
        self._dropped = dropped

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Give the one family."""
        metric = next(m for m in METRICS if m.name == LOG_LINES_DROPPED)
        yield CounterMetricFamily(metric.name, metric.help, self._dropped())


def _asked() -> dict[str, GaugeMetricFamily]:
    return {
        metric.name: GaugeMetricFamily(
            metric.name, metric.help, labels=metric.label_names, unit=metric.unit.value
        )
        for metric in METRICS
        if metric.is_asked and metric.kind is MetricKind.GAUGE
    }


def _labels(call: Call) -> dict[str, str]:
    return {
        "grpc_type": call.rpc_type,
        "grpc_service": call.service,
        "grpc_method": call.method,
    }
