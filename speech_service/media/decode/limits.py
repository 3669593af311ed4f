"""Limits of decoding one file or stream. They count while decoding; a header is never believed.

The rule, by who bounds what:

* **Memory** is bounded by back-pressure: a decoder runs ahead of its reader by two socket buffers
  (about 0.5 MB), however far the input expands. Inside the child RLIMIT_AS is the wall, and a file
  that must be whole before it can be decoded (M4A with its index last) is buffered up to
  ``max_buffered_bytes``.
* **CPU** is ``max_cpu_s`` plus ``cpu_s_per_audio_s`` for every decoded second, held by the kernel:
  bytes that burn CPU without giving audio stop after ``max_cpu_s``.
* **Length.** A unary request holds its whole audio, so input and decoded bytes are capped. A stream
  has no length cap: a client can send hours of silence in one ``silence`` message anyway, so an
  expansion ratio would refuse honest Opus silence (1:1000) and stop no one. Pacing and admission
  bound a stream.
"""

from dataclasses import dataclass

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Limits of one decoder.

    Attributes:
        max_input_bytes: bytes fed; None: no cap.
        max_decoded_bytes: float32 bytes over all channels at the rate of the file; None: no cap.
        max_cpu_s: CPU seconds of the child before any audio came out.
        cpu_s_per_audio_s: CPU seconds added per decoded second; 0: ``max_cpu_s`` is all there is.
        max_memory_bytes: address space above that of an idle child.
        max_buffered_bytes: input that may be held because it cannot be decoded before it is
            complete.
        max_held_bytes: input that is kept in the front end, so that a decoder that the system ended can be
            replaced; of a longer stream nothing is kept.
    """

    max_input_bytes: int | None
    max_decoded_bytes: int | None
    max_cpu_s: int
    cpu_s_per_audio_s: float
    max_memory_bytes: int = 256 * _MIB
    max_buffered_bytes: int = 64 * _MIB
    max_held_bytes: int = 1 * _MIB


UNARY_LIMITS = DecodeLimits(
    max_input_bytes=32 * _MIB,
    max_decoded_bytes=256 * _MIB,
    max_cpu_s=20,
    cpu_s_per_audio_s=0.0,
    max_held_bytes=32 * _MIB,
)
STREAM_LIMITS = DecodeLimits(
    max_input_bytes=None, max_decoded_bytes=None, max_cpu_s=10, cpu_s_per_audio_s=0.1
)
