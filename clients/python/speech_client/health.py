"""The standard health check, ``grpc.health.v1``, without its package.

The request is one string field and the reply one enum field, so the bytes are written and read here; a base install
needs no grpcio-health-checking for it.
"""

from enum import Enum

CHECK_METHOD = "/grpc.health.v1.Health/Check"

SERVICES = (
    "speech.v1.RecognitionService",
    "speech.v1.SynthesisService",
    "speech.v1.AlignmentService",
    "speech.v1.TranslationService",
    "speech.v1.VoiceService",
    "speech.v1.ModelService",
)
"""Names that the server reports one by one; "" is the server as a whole."""

_STRING_FIELD_1 = 0x0A
_VARINT_FIELD_1 = 0x08


class HealthStatus(Enum):
    """What the server says of a service."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


def encode_request(service: str) -> bytes:
    """``HealthCheckRequest{service}``; names up to 127 bytes, so that the length is one byte."""
    name = service.encode()
    if len(name) > 127:
        raise ValueError(f"service name of {len(name)} bytes; at most 127")
    return bytes((_STRING_FIELD_1, len(name))) + name if name else b""


def decode_response(data: bytes) -> HealthStatus:
    """``HealthCheckResponse{status}``; the enum's zero is left out on the wire."""
    if len(data) >= 2 and data[0] == _VARINT_FIELD_1 and data[1] <= 3:
        return HealthStatus(data[1])
    return HealthStatus.UNKNOWN
