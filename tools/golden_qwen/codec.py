"""The codec and the speaker encoder: full decodes of codes, and what a reference is turned into."""

import importlib
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tests.qwen_tiny.audio import speech_like
from tests.qwen_tiny.codec import CODEBOOKS, CODES
from tests.qwen_tiny.folder import TinyModels
from tests.qwen_tiny.golden import Golden, audio_digest, reduced
from tests.qwen_tiny.tensors import Draw
from tools.golden_qwen.official import load_synthesizer, provenance

CODEC_HZ = 24_000
SAMPLES_PER_FRAME = 1920
# Below and above the window (72 frames) and the package's chunk (300 frames).
DECODED_FRAMES = (1, 2, 5, 32, 71, 72, 73, 160, 330)
WHOLE_FRAMES = (1, 2)
REFERENCES = ((9001, 4.1), (9002, 1.2), (9003, 3.0), (9004, 1.0), (9005, 0.085), (9006, 12.34))
NUDGE = 1e-6  # codes that such a change of the sound changes would test the rounding of a machine


def record(models: TinyModels) -> Golden:
    """Ask the package to decode random codes and to encode references."""
    folder = models.tts("base")
    package = load_synthesizer(folder)
    arrays: dict[str, NDArray[Any]] = {}
    cases: list[dict[str, Any]] = []
    for frames in DECODED_FRAMES:
        case, found = _decoded(package, frames)
        cases.append(case)
        arrays |= found
    for seed, duration_s in REFERENCES:
        case, found = _encoded(package, seed, duration_s)
        cases.append(case)
        arrays |= found
    checkpoints = provenance(
        {"tts-base-1b7": folder, "tts-base-1b7/speech_tokenizer": folder / "speech_tokenizer"}
    )
    return Golden({**checkpoints, "cases": cases}, arrays)


@torch.inference_mode()
def _decoded(package: Any, frames: int) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    unit = Draw(frames).uniform("codes", (frames, CODEBOOKS), 12**-0.5) + 0.5
    codes = (unit * CODES).long().clamp(0, CODES - 1)
    # The whole causal decode, not the package's chunks of 300 frames with 25 of context.
    sound = package.model.speech_tokenizer.model.decoder(codes.T[None])[0, 0].numpy()
    name = f"decode-{frames}"
    by_frame = sound.reshape(frames, SAMPLES_PER_FRAME)
    kept = (
        {f"{name}/sound": by_frame}
        if frames in WHOLE_FRAMES
        else reduced(f"{name}/sound", by_frame)
    )
    case = {"name": name, "kind": "decode", "frames": frames, "peak": float(np.abs(sound).max())}
    return case, {f"{name}/codes": codes.numpy().astype(np.int16), **kept}


@torch.inference_mode()
def _encoded(
    package: Any, seed: int, duration_s: float
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    audio = speech_like(seed, duration_s, CODEC_HZ)
    codes = _codes(package, audio)
    nudged = _codes(package, (audio * np.float32(1 + NUDGE)).astype(np.float32))
    if not torch.equal(codes, nudged):
        raise ValueError(f"reference {seed}: a code lies on a border; change its seed")
    modeling: Any = importlib.import_module("qwen_tts.core.models.modeling_qwen3_tts")
    mel = modeling.mel_spectrogram(
        torch.tensor(audio)[None],
        n_fft=1024,
        num_mels=128,
        sampling_rate=CODEC_HZ,
        hop_size=256,
        win_size=1024,
        fmin=0,
        fmax=12_000,
    )[0].T
    embedding = package.model.extract_speaker_embedding(audio, CODEC_HZ)
    name = f"encode-{seed}"
    case = {
        "name": name,
        "kind": "encode",
        "audio": {"seed": seed, "duration_s": duration_s, "sha256": audio_digest(audio)},
        "frames": len(codes),
    }
    return case, {
        f"{name}/codes": codes.numpy().astype(np.int16),
        f"{name}/speaker": embedding.numpy(),
        **reduced(f"{name}/mel", mel.numpy()),
    }


def _codes(package: Any, audio: NDArray[np.float32]) -> torch.Tensor:
    return package.model.speech_tokenizer.encode(audio, sr=CODEC_HZ).audio_codes[0]
