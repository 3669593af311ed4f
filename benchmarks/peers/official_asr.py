"""The official qwen-asr package on transformers 4.57. Runs in an environment that has it."""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from typing import Any

import torch
from loop import Arrive, Transcribe, in_order, serve


def load(config: dict[str, Any]) -> tuple[Transcribe, Arrive]:
    """Load ``config["model"]`` in ``config["dtype"]``; answers are ``config["tokens"]`` long."""
    from qwen_asr import Qwen3ASRModel

    torch.set_num_threads(config["threads"])
    model = Qwen3ASRModel.from_pretrained(
        config["model"], dtype=getattr(torch, config["dtype"]), max_new_tokens=config["tokens"]
    )
    generate = model.model.generate
    counts: list[int] = []

    def counted(**inputs: Any) -> Any:
        answer = generate(**inputs)
        counts.append(answer.sequences.shape[1] - inputs["input_ids"].shape[1])
        return answer

    model.model.generate = counted

    @torch.inference_mode()
    def transcribe(clip: Any) -> int:
        counts.clear()
        model.transcribe((clip, 16_000), language="English")
        return sum(counts)

    return transcribe, in_order(transcribe)


if __name__ == "__main__":
    serve(load)
