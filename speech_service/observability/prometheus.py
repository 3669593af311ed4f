"""Prometheus metrics. Every metric of the service is declared here, with its help, labels and buckets.

No label value is ever chosen by a client.
"""

from collections.abc import Mapping

from speech_service.domain.call import Call
from speech_service.observability.exposition import CONTENT_TYPE, Declared, Metrics
from speech_service.observability.metrics_http import MetricsServer

_LATENCY_S = (0.02, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2.5, 5, 10)
_HANDLING_S = (0.001, 0.005, *_LATENCY_S)
_QUEUE_S = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_RTF = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1, 1.2, 2, 5)
_BUFFER_S = (0, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10, 20)
_SIZE = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_GRPC = ("grpc_type", "grpc_service", "grpc_method")

COUNTERS: Mapping[str, Declared] = {
    "grpc_server_started_total": Declared("RPCs started.", _GRPC),
    "grpc_server_handled_total": Declared("RPCs ended, by code.", (*_GRPC, "grpc_code")),
    "grpc_server_msg_received_total": Declared("Messages received.", _GRPC),
    "grpc_server_msg_sent_total": Declared("Messages sent.", _GRPC),
    "speech_audio_received_seconds_total": Declared("Audio received."),
    "speech_results_total": Declared("Results sent, by kind.", ("kind",)),
    "speech_stable_prefix_broken_total": Declared(
        "FINALs that changed a prefix which partials had called stable."
    ),
    "speech_shed_total": Declared("Calls refused at admission.", ("reason",)),
    "speech_work_total": Declared("Work items ended.", ("class", "outcome")),
    "speech_work_dropped_total": Declared("Work given up without an error.", ("reason",)),
    "speech_decode_steps_total": Declared("Forward passes of decoders."),
    "speech_draft_tokens_total": Declared("Draft tokens, by outcome.", ("outcome",)),
    "speech_audio_sent_seconds_total": Declared("Synthesised audio."),
    "speech_synthesis_underruns_total": Declared(
        "Times that a client which plays a stream at once would have fallen silent inside a context."
    ),
    "speech_synthesis_cut_total": Declared(
        "Contexts whose speech was stopped at the model's limit."
    ),
    "speech_audio_cache_total": Declared("Look-ups in the cache of finished audio.", ("outcome",)),
    "speech_worker_restarts_total": Declared("Restarts of the worker process."),
}
HISTOGRAMS: Mapping[str, Declared] = {
    "grpc_server_handling_seconds": Declared("Length of RPCs.", _GRPC, _HANDLING_S),
    "speech_first_result_seconds": Declared("First speech to first result.", (), _LATENCY_S),
    "speech_final_lag_seconds": Declared("Last audio of a segment to its FINAL.", (), _LATENCY_S),
    "speech_queue_wait_seconds": Declared("Work waiting for a device.", ("class",), _QUEUE_S),
    "speech_encode_seconds": Declared("Encoder time of one work item.", (), _QUEUE_S),
    "speech_decode_seconds": Declared("Decoder time of one work item.", (), _QUEUE_S),
    "speech_first_audio_seconds": Declared("First text to first audio.", (), _LATENCY_S),
    "speech_synthesis_rtf": Declared("Device time over audio time of synthesis.", (), _RTF),
    "speech_synthesis_buffer_seconds": Declared(
        "What such a client has left to play when more is ready.", (), _BUFFER_S
    ),
    "speech_unary_rtf": Declared("Handling time over audio time of unary calls.", (), _RTF),
    "speech_batch_occupancy": Declared("Sequences in a device step.", ("model",), _SIZE),
    "speech_engine_step_seconds": Declared("Length of a device step.", ("model",), _QUEUE_S),
    "speech_worker_heartbeat_seconds": Declared(
        "Real inference that proves the worker alive.", ("model",), _LATENCY_S
    ),
    "speech_worker_start_seconds": Declared("Start of the worker until it serves.", (), _LATENCY_S),
}
GAUGES: Mapping[str, Declared] = {
    "speech_active_streams": Declared("Open bidirectional streams."),
    "speech_active_unary": Declared("Unary calls in flight."),
    "speech_queue_depth": Declared("Work waiting.", ("class",)),
    "speech_outbox_depth": Declared("Work waiting for the worker to start."),
    "speech_worker_up": Declared("1 while the worker answers its heartbeat."),
}


class PrometheusObserver:
    """Observer and call observer that counts. An undeclared metric name is a KeyError: a bug, found by any test."""

    def __init__(self) -> None:
        self._metrics = Metrics(COUNTERS, GAUGES, HISTOGRAMS)
        self._server = MetricsServer(self.page, CONTENT_TYPE)

    async def serve(self, host: str, port: int) -> int:
        """Serve ``/metrics`` over HTTP; returns the port.

        Raises:
            OSError: the address is in use or not ours.
        """
        return await self._server.start(host, port)

    async def close(self) -> None:
        """Stop serving."""
        await self._server.close()

    def page(self) -> str:
        """All metrics in the Prometheus text format."""
        return self._metrics.page()

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Add to a counter."""
        self._metrics.count(name, value, labels)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Record one observation."""
        self._metrics.observe(name, value, labels)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        self._metrics.gauge(name, value, labels)

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
