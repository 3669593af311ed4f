"""Which runtime runs a part of a network that can be written as an ONNX file: an encoder, a codec."""

from dataclasses import dataclass
from typing import Literal

from speech_service.config.tree import ConfigError

Runtime = Literal["torch", "onnx", "tensorrt"]


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """What runs the part; all but ``runtime`` is for runtimes other than torch."""

    runtime: Runtime = "torch"
    file: str = ""
    """What the command that exports the part wrote."""
    threads: int = 0


def check_runtime(part: str, choice: RuntimeChoice, device: str) -> None:
    """Refuse what cannot run: another runtime than torch needs its file, and nothing else uses one.

    Args:
        part: the option that chooses the runtime; with ``_file`` behind it the one that names the file.
        choice: what was chosen.
        device: where it is to run, as torch names it.

    Raises:
        ConfigError: it cannot.
    """
    is_torch = choice.runtime == "torch"
    if not is_torch and not choice.file:
        raise ConfigError(
            f'{part}_file: {part} = "{choice.runtime}" needs the file that `speech-service export-{part}` writes'
        )
    if is_torch and choice.file:
        raise ConfigError(f'{part}_file: {part} = "torch" uses none')
    if choice.runtime == "tensorrt" and not device.startswith("cuda"):
        raise ConfigError(f'{part}: "tensorrt" needs device = "cuda"')
