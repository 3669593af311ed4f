"""The official qwen-tts package on transformers 4.57. Runs in an environment that has it."""

# pyright: reportMissingImports=false

import time
from collections.abc import Sequence
from typing import Any

import torch
from tts_loop import Speak, Spoken, serve


def load(config: dict[str, Any]) -> Speak:
    """Load ``config["model"]``; every text gets ``config["frames"]`` frames."""
    from qwen_tts import Qwen3TTSModel

    torch.set_num_threads(config["threads"])
    model = Qwen3TTSModel.from_pretrained(
        config["model"], dtype=getattr(torch, config["dtype"]), device_map="cpu"
    )

    def generate(texts: Sequence[str], sample: bool) -> list[int]:
        waves, _ = model.generate_custom_voice(
            list(texts),
            config["speaker"],
            "english",
            max_new_tokens=config["frames"] + 1,  # the package says one frame less
            do_sample=sample,
            subtalker_dosample=sample,
        )
        return [len(wave) for wave in waves]

    @torch.inference_mode()
    def speak(texts: Sequence[str], sample: bool, together: bool) -> Spoken:
        begin_s = time.perf_counter()
        groups = [texts] if together else [[text] for text in texts]
        samples = generate(groups[0], sample)
        first_s = time.perf_counter() - begin_s  # nothing sounds before it returns
        for group in groups[1:]:
            samples += generate(group, sample)
        return Spoken(first_s, samples)

    return speak


if __name__ == "__main__":
    serve(load)
