"""One offline pass of the embedded recognizer's packaged graphs, as they are: the yardstick for figures of CPU time.

Plain onnxruntime, one thread, each clip whole and without padding, greedy, keys and values through Python: nothing of
this service. What it costs changes with the machine alone, so figures from two machines can be compared by it.

It runs in a process of its own, whose loading is not counted: ``python -m benchmarks.offline_pass FILE...`` over
files of s16 at 16 kHz prints CPU seconds per second of audio; :func:`run` starts it.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from benchmarks import BUILD
from benchmarks.corpus import RATE, Clip
from benchmarks.harness import program

_LAYERS, _HEADS, _HEAD_SIZE = 6, 8, 36
_START, _END = 1, 2
_TOKENS_PER_S = 6.5
Samples = npt.NDArray[np.float32]


def run(clips: Sequence[Clip]) -> float:
    """CPU seconds per second of audio.

    Raises:
        subprocess.CalledProcessError: the program failed; its error was shown.
    """
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="offline-") as folder:
        files = [Path(folder) / f"{number}.pcm" for number in range(len(clips))]
        for file, clip in zip(files, clips, strict=True):
            file.write_bytes(clip.pcm)
        command = program("benchmarks.offline_pass", *map(str, files))
        return float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


class PackagedGraphs:
    """Encoder and merged decoder, as moonshine-voice packages them."""

    def __init__(self) -> None:
        import onnxruntime

        from speech_service.engines.model_files import package_folder
        from speech_service.engines.moonshine import DECODER, ENCODER

        package = package_folder("moonshine_voice")
        if package is None:
            raise RuntimeError("moonshine-voice is not installed")
        ort = cast(Any, onnxruntime)
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        folder = package / "assets" / "tiny-en"
        self._encoder, self._decoder = (
            ort.InferenceSession(str(folder / name), options) for name, _ in (ENCODER, DECODER)
        )
        self._outputs = [output.name for output in self._decoder.get_outputs()]

    def tokens(self, samples: Samples) -> list[int]:
        """What is said in float32 [n] at 16 kHz, greedy."""
        mask = np.ones((1, len(samples)), np.int64)
        heard = {"input_values": samples[np.newaxis], "attention_mask": mask}
        feed: dict[str, Any] = {
            "encoder_attention_mask": mask,
            "encoder_hidden_states": self._encoder.run(None, heard)[0],
        }
        nothing = np.zeros((1, _HEADS, 0, _HEAD_SIZE), np.float32)
        feed |= {name.replace("present", "past_key_values"): nothing for name in self._outputs[1:]}
        said = [_START]
        for step in range(round(len(samples) / RATE * _TOKENS_PER_S)):
            feed["use_cache_branch"] = np.array([step > 0])
            feed["input_ids"] = np.array([said[-1:]], np.int64)
            logits, *present = self._decoder.run(None, feed)
            said.append(int(logits[0, -1].argmax()))
            if said[-1] == _END:
                break
            for name, value in zip(self._outputs[1:], present, strict=True):
                # Those of the audio stay as the first step made them.
                if step == 0 or ".decoder." in name:
                    feed[name.replace("present", "past_key_values")] = value
        return said


def _main(files: Sequence[str]) -> None:
    clips: list[Samples] = [
        np.fromfile(file, "<i2").astype(np.float32) / np.float32(32_768) for file in files
    ]
    graphs = PackagedGraphs()
    graphs.tokens(clips[0])  # warm-up
    begin_s = time.process_time()
    for clip in clips:
        graphs.tokens(clip)
    print((time.process_time() - begin_s) * RATE / sum(map(len, clips)))


if __name__ == "__main__":
    _main(sys.argv[1:])
