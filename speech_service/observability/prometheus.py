"""Prometheus metrics. Every metric of the service is declared here, with its help, labels and buckets.

No label value is ever chosen by a client.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.process_collector import ProcessCollector

from speech_service.domain.call import Call

_LATENCY_S = (0.02, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2.5, 5, 10)
_QUEUE_S = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_RTF = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1, 1.2, 2, 5)
_SIZE = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_GRPC = ("grpc_type", "grpc_service", "grpc_method")


@dataclass(frozen=True, slots=True)
class _Declared:
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


COUNTERS: Mapping[str, _Declared] = {
    "grpc_server_started_total": _Declared("RPCs started.", _GRPC),
    "grpc_server_handled_total": _Declared("RPCs ended, by code.", (*_GRPC, "grpc_code")),
    "grpc_server_msg_received_total": _Declared("Messages received.", _GRPC),
    "grpc_server_msg_sent_total": _Declared("Messages sent.", _GRPC),
    "speech_audio_received_seconds_total": _Declared("Audio received."),
    "speech_results_total": _Declared("Results sent, by kind.", ("kind",)),
    "speech_stable_prefix_broken_total": _Declared(
        "FINALs that changed a prefix which partials had called stable."
    ),
    "speech_shed_total": _Declared("Calls refused at admission.", ("reason",)),
    "speech_work_total": _Declared("Work items ended.", ("class", "outcome")),
    "speech_work_dropped_total": _Declared("Work given up without an error.", ("reason",)),
    "speech_decode_steps_total": _Declared("Forward passes of decoders."),
    "speech_draft_tokens_total": _Declared("Draft tokens, by outcome.", ("outcome",)),
    "speech_audio_sent_seconds_total": _Declared("Synthesised audio."),
    "speech_audio_cache_total": _Declared("Look-ups in the cache of finished audio.", ("outcome",)),
    "speech_worker_restarts_total": _Declared("Restarts of the worker process."),
}
HISTOGRAMS: Mapping[str, _Declared] = {
    "grpc_server_handling_seconds": _Declared("Length of RPCs.", _GRPC, _LATENCY_S),
    "speech_first_result_seconds": _Declared("First speech to first result.", (), _LATENCY_S),
    "speech_final_lag_seconds": _Declared("Last audio of a segment to its FINAL.", (), _LATENCY_S),
    "speech_queue_wait_seconds": _Declared("Work waiting for a device.", ("class",), _QUEUE_S),
    "speech_encode_seconds": _Declared("Encoder time of one work item.", (), _QUEUE_S),
    "speech_decode_seconds": _Declared("Decoder time of one work item.", (), _QUEUE_S),
    "speech_first_audio_seconds": _Declared("First text to first audio.", (), _LATENCY_S),
    "speech_synthesis_rtf": _Declared("Device time over audio time of synthesis.", (), _RTF),
    "speech_unary_rtf": _Declared("Handling time over audio time of unary calls.", (), _RTF),
    "speech_batch_occupancy": _Declared("Sequences in a device step.", ("model",), _SIZE),
    "speech_engine_step_seconds": _Declared("Length of a device step.", ("model",), _QUEUE_S),
    "speech_worker_heartbeat_seconds": _Declared(
        "Real inference that proves the worker alive.", ("model",), _LATENCY_S
    ),
    "speech_worker_start_seconds": _Declared(
        "Start of the worker until it serves.", (), _LATENCY_S
    ),
}
GAUGES: Mapping[str, _Declared] = {
    "speech_active_streams": _Declared("Open bidirectional streams."),
    "speech_active_unary": _Declared("Unary calls in flight."),
    "speech_queue_depth": _Declared("Work waiting.", ("class",)),
    "speech_outbox_depth": _Declared("Work waiting for the worker to start."),
    "speech_worker_up": _Declared("1 while the worker answers its heartbeat."),
}


class PrometheusObserver:
    """Observer and call observer that counts. An undeclared metric name is a KeyError: a bug, found by any test."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._counters = {
            name: Counter(name, d.help, d.labels, registry=self.registry)
            for name, d in COUNTERS.items()
        }
        self._histograms = {
            name: Histogram(name, d.help, d.labels, buckets=d.buckets, registry=self.registry)
            for name, d in HISTOGRAMS.items()
        }
        self._gauges = {
            name: Gauge(name, d.help, d.labels, registry=self.registry)
            for name, d in GAUGES.items()
        }

    def serve(self, host: str, port: int) -> int:
        """Serve ``/metrics`` over HTTP on a thread of its own; returns the port."""
        server, _ = start_http_server(port, host, self.registry)
        return int(server.server_port)

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
        """An RPC began."""
        self.count("grpc_server_started_total", 1.0, **_labels(call))

    def call_ended(self, call: Call, code: str) -> None:
        """An RPC is over: its message counts are added here, once, to keep the message path free."""
        labels = _labels(call)
        elapsed_s = call.elapsed_s()
        self.count("grpc_server_handled_total", 1.0, grpc_code=code, **labels)
        self.count("grpc_server_msg_received_total", call.received, **labels)
        self.count("grpc_server_msg_sent_total", call.sent, **labels)
        self.observe("grpc_server_handling_seconds", elapsed_s, **labels)
        if call.rpc_type == "unary" and call.usage and call.usage.audio_in_ms:
            self.observe("speech_unary_rtf", elapsed_s * 1000 / call.usage.audio_in_ms)


def _labels(call: Call) -> dict[str, str]:
    return {
        "grpc_type": call.rpc_type,
        "grpc_service": call.service,
        "grpc_method": call.method,
    }
