"""Lets a network transcribe recordings one by one, to see what its layers are given."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Collection, Sequence

import torch

from speech_service.domain.audio import MODEL_RATE_HZ, Samples
from speech_service.domain.work import RecognizeKind, RecognizeWork, SegmentKey, WorkClass
from speech_service.engines.qwen3.asr.forward import Feed, PackedForward
from speech_service.engines.qwen3.asr.model import AsrModel
from speech_service.engines.qwen3.asr.reading import SegmentReader
from speech_service.engines.runtimes.torch import Device

MOST_RECORDINGS = 32
_MOST_SAMPLES = 30 * MODEL_RATE_HZ
_MOST_ANSWER = 160
SLOT_TOKENS = 1024
"""Room for the prompt, 30 s of audio, and the answer."""


@torch.inference_mode()
def listen(
    model: AsrModel,
    reader: SegmentReader,
    device: Device,
    ends: Collection[int],
    recordings: Sequence[Samples],
) -> None:
    """Transcribe the first 30 s of each, greedily.

    Args:
        model: with float weights.
        reader: over the model and a cache with one slot of ``SLOT_TOKENS``.
        device: where they are.
        ends: tokens that end an answer.
        recordings: float32 [n], 16 kHz.
    """
    forward = PackedForward(model, reader.cache, device)
    for number, samples in enumerate(recordings):
        (reading,) = reader.open([silent_work(samples[:_MOST_SAMPLES], str(number))])
        feed = Feed(reading.slot, reading.take(SLOT_TOKENS), (), 1)
        for _ in range(_MOST_ANSWER):
            (choice,) = forward.begin([feed]).choices()
            if choice is None or choice[0] in ends:
                break
            feed = Feed(reading.slot, None, choice, 1)
        reader.close(reading, keep=False)


def silent_work(samples: Samples, work_id: str) -> RecognizeWork:
    """Work that nobody asked for."""
    return RecognizeWork(
        work_id=work_id,
        segment=SegmentKey(work_id, 0, 0),
        kind=RecognizeKind.FINAL,
        work_class=WorkClass.BACKGROUND,
        samples=samples,
        model="",
    )
