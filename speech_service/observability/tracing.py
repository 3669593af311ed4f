"""OpenTelemetry traces over OTLP, W3C context in and out.

Spans: ``rpc`` > ``utterance`` > ``vad``, ``decode`` > ``queue``, ``encoder``, ``decode_steps``. One span for all
decode steps of a work item, never one per token. The SDK is imported only where an endpoint is configured.
Attribute names follow the OpenTelemetry RPC conventions (``rpc.system.name``, ``rpc.method``,
``rpc.response.status_code``).
"""

from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from speech_service import __version__
from speech_service.domain.call import Call
from speech_service.protocols import Span

_NS = 1_000_000_000
_PROPAGATOR = TraceContextTextMapPropagator()


class OtelSpan:
    """A started span."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, trace.set_span_in_context(span))
        self.traceparent = carrier.get("traceparent", "")

    def end(self, end_s: float | None = None, **attributes: str | int | float) -> None:
        """End the span; a later end is ignored by the SDK, so it is not made."""
        if self._span.is_recording():
            self._span.set_attributes(attributes)
            self._span.end(None if end_s is None else int(end_s * _NS))

    def failed(self, code: str) -> None:
        """Mark the span as an error."""
        self._span.set_status(trace.StatusCode.ERROR, code)


class OtelTracer:
    """Tracer and call observer that exports to an OTLP collector."""

    def __init__(self, exporter: SpanExporter, service_name: str) -> None:
        resource = Resource.create({"service.name": service_name, "service.version": __version__})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("speech_service", __version__)
        self._calls: dict[int, OtelSpan] = {}

    def start(
        self,
        name: str,
        parent: str = "",
        start_s: float | None = None,
        **attributes: str | int | float,
    ) -> Span:
        """Start a span under W3C ``parent``, now or at a ``time.time()`` value."""
        return self._start(name, parent, start_s, attributes, trace.SpanKind.INTERNAL)

    def _start(
        self,
        name: str,
        parent: str,
        start_s: float | None,
        attributes: Mapping[str, str | int | float],
        kind: trace.SpanKind,
    ) -> OtelSpan:
        span = self._tracer.start_span(
            name,
            context=_PROPAGATOR.extract({"traceparent": parent}) if parent else None,
            kind=kind,
            attributes=attributes,
            start_time=None if start_s is None else int(start_s * _NS),
        )
        return OtelSpan(span)

    def call_started(self, call: Call) -> None:
        """Open the RPC's span."""
        attributes = {
            "rpc.system.name": "grpc",
            "rpc.method": call.name,
            "speech.request_id": call.request_id,
        }
        span = self._start("rpc", call.traceparent, None, attributes, trace.SpanKind.SERVER)
        self._calls[id(call)] = span
        call.traceparent = span.traceparent

    def call_ended(self, call: Call, code: str) -> None:
        """Close the RPC's span."""
        span = self._calls.pop(id(call))
        if code != "OK":
            span.failed(code)
        attributes: dict[str, str | int | float] = {"rpc.response.status_code": code}
        if call.latency is not None:
            attributes["speech.queue_ms"] = call.latency.queue_ms
            attributes["speech.encode_ms"] = call.latency.encode_ms
            attributes["speech.decode_ms"] = call.latency.decode_ms
        span.end(None, **attributes)

    def close(self) -> None:
        """Export what is left and stop."""
        self._provider.shutdown()


def otlp_tracer(endpoint: str, service_name: str) -> OtelTracer:
    """Give a tracer that exports to ``endpoint`` (``http://host:4317``)."""
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=not endpoint.startswith("https"))
    return OtelTracer(exporter, service_name)
