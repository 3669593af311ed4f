"""What a step takes on an H200, by arithmetic: bytes, operations, kernels, and the host's own time.

Nothing here was measured on such a card. Of each number it is said where it is from:

    [rate]    what such a card was seen to do (4.3 TB/s copied, 790 TFLOP/s in bfloat16), less what products of these
              shapes reach of it: 3 TB/s or 450 TFLOP/s, whichever takes longer.
    [size]    the released checkpoints: parameters, layers, heads.
    [count]   tests/unit/engines/qwen3/test_kernel_counts.py, which runs the passes on tensors without numbers.
    [host]    CPU time of the engines' Python, measured on a shared core of a server.
    [assumed] a round number, for want of a better one.

Where the host reads a step while the next one runs (``speech_service/engines/runtimes/pacing.py``), a step takes the
device's time or the host's, whichever is longer. It takes both, one after the other, where a recognizer's tokens are
proposed or may be, where somebody waits for a stream's first audio, and in the aligner, which has one pass alone.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

LABEL = "simulated, H200 cost model"

BYTES_PER_S = 3.0e12
"""[rate]"""
FLOP_PER_S = 450e12
"""[rate]"""
BYTES_PER_WEIGHT = 2
"""bfloat16."""
KV_BYTES_PER_TOKEN = 2 * 28 * 8 * 128 * 2
"""[size] Keys and values of 28 layers, 8 heads of 128; of both sizes of recognizer and of the talker."""
KERNEL_S = ((16, 2.0e-6), (256, 2.3e-6), (10**9, 3.0e-6))
"""[rate] A small kernel in a graph, up to so many rows."""
GRPC_S = 0.3e-3
"""[host] A message between client and front end, one way, on the front end's clock: 0.21 to 0.35 ms of CPU for 100 ms
of audio (benchmarks/grpc_overhead.py)."""
WORKER_LINK_S = 0.15e-3
"""[assumed] A frame between front end and worker, one way."""


def kernels_s(kernels: int, rows: int) -> float:
    """Time that the kernels of a graph add to their bytes and products."""
    return kernels * next(each_s for most, each_s in KERNEL_S if rows <= most)


def products_s(weights: float, flop: float) -> float:
    """Time of matrix products: of reading ``weights`` parameters, or of the operations, whichever is longer."""
    return max(weights * BYTES_PER_WEIGHT / BYTES_PER_S, flop / FLOP_PER_S)


@dataclass(frozen=True, slots=True)
class RecognizerCost:
    """Of one size of recognizer."""

    name: str
    layers: float
    """[size] Parameters of the decoder's layers."""
    head: float
    """[size] Parameters of its output layer."""
    encoder: float
    """[size] Parameters of the audio encoder."""
    encoder_flop_per_s: float
    """[size] Operations for a second of audio."""
    encoder_kernels: int
    """[count] Of 16 windows in one graph, features included."""
    pass_kernels: int = 266
    """[count] Of a decoder pass, whatever it is over."""
    host_s: float = 0.15e-3
    """[host] Of a step, and below, of each sequence in it."""
    host_per_row_s: float = 5.5e-6
    windows_per_graph: int = 16

    def encode_s(self, windows: int, longest_s: float) -> float:
        """Features and states of so many windows, each padded to the longest."""
        if not windows:
            return 0.0
        graphs = -(-windows // self.windows_per_graph)
        flop = windows * longest_s * self.encoder_flop_per_s
        weights_s = products_s(self.encoder * graphs, flop)
        return weights_s + kernels_s(self.encoder_kernels * graphs, windows)

    def pass_s(self, tokens: int, asked: int, held_tokens: int) -> float:
        """A decoder pass over ``tokens`` new ones, ``asked`` of which want a next one, behind ``held_tokens``."""
        flop = 2 * (self.layers * tokens + self.head * asked)
        held_s = held_tokens * KV_BYTES_PER_TOKEN / BYTES_PER_S
        return (
            products_s(self.layers + self.head, flop) + held_s + kernels_s(self.pass_kernels, asked)
        )

    def step_host_s(self, rows: int) -> float:
        """Time of the host for a step."""
        return self.host_s + rows * self.host_per_row_s


@dataclass(frozen=True, slots=True)
class SynthesizerCost:
    """Of the synthesizer of 1.7B: talker, 15 passes of its predictor, codec."""

    name: str = "tts-1.7b"
    talker: float = 1416e6
    """[size]"""
    frame_weights: float = 2625e6
    """[count] Parameters read for a frame: the talker, and the predictor's body and heads 15 times; 5.25 GB."""
    frame_flop: float = 5.5e9
    """[size] Of a frame of one stream."""
    frame_bytes: float = 43e6
    """[count] Keys, values and states of one stream in a frame."""
    frame_kernels: int = 1056
    """[count]"""
    prompt_kernels: int = 259
    """[count]"""
    host_s: float = 0.25e-3
    """[host] Of a frame, and below, of each stream in it."""
    host_per_row_s: float = 16.5e-6
    codec_kernels: int = 236
    """[count] Of a captured pass over chunks of one length, on a stream of its own: first chunks are waited for in the
    step that begins them, others sound while the next frame is spoken and cost the bytes that they move."""
    codec_weight_bytes: float = 0.48e9
    """[count] In float32."""
    codec_bytes_per_frame: float = 80e6
    """[count]"""

    def prompts_s(self, tokens: int) -> float:
        """Prompts of streams that begin, so many tokens together."""
        if not tokens:
            return 0.0
        return products_s(self.talker, 2 * self.talker * tokens) + kernels_s(self.prompt_kernels, 1)

    def frame_s(self, streams: int) -> float:
        """A frame of so many streams, on the device."""
        products = products_s(self.frame_weights, self.frame_flop * streams)
        states_s = streams * self.frame_bytes / BYTES_PER_S
        return products + states_s + kernels_s(self.frame_kernels, streams)

    def codec_s(self, waited: Mapping[int, int], beside: Mapping[int, int]) -> float:
        """Sound of chunks: for each length in frames, how many are waited for, and how many sound beside a frame."""
        return sum(self._chunks_s(f, n, is_alone=True) for f, n in waited.items()) + sum(
            self._chunks_s(f, n, is_alone=False) for f, n in beside.items()
        )

    def _chunks_s(self, frames: int, count: int, *, is_alone: bool) -> float:
        moved_bytes = self.codec_weight_bytes + frames * count * self.codec_bytes_per_frame
        return moved_bytes / BYTES_PER_S + is_alone * kernels_s(self.codec_kernels, count)

    def step_host_s(self, rows: int) -> float:
        """Time of the host for a step."""
        return self.host_s + rows * self.host_per_row_s


ASR_1_7B = RecognizerCost("asr-1.7b", 1409e6, 311e6, 317e6, 12.5e9, 370 + 25)
ASR_0_6B = RecognizerCost("asr-0.6b", 440e6, 156e6, 186e6, 9.0e9, 280 + 25)
ALIGNER_0_6B = RecognizerCost("aligner-0.6b", 440e6, 156e6, 186e6, 9.0e9, 280 + 25)
TTS_1_7B = SynthesizerCost()


def table(cost: RecognizerCost | SynthesizerCost) -> dict[str, float | str]:
    """Its numbers, and what steps take by them in milliseconds, those of many rows where the host reads them late."""
    steps_s = (
        {f"decode_step_{n}": max(cost.pass_s(n, n, 256 * n), cost.step_host_s(n)) for n in _ROWS}
        | {"prompt_of_145": cost.pass_s(145, 1, 145), "window_of_8_s": cost.encode_s(1, 8.0)}
        if isinstance(cost, RecognizerCost)
        else {f"frame_{n}": max(cost.frame_s(n), cost.step_host_s(n)) for n in _ROWS}
        | {"codec_1_frame": cost.codec_s({1: 1}, {}), "codec_64x8": cost.codec_s({8: 64}, {})}
    )
    return asdict(cost) | {f"{name}_ms": round(s * 1000, 2) for name, s in steps_s.items()}


_ROWS = (1, 64, 256, 512)
