"""A folder of tiny checkpoints, each written when it is first asked for."""

from functools import cache
from pathlib import Path

from tests.qwen_tiny import asr, codec, tts
from tests.qwen_tiny.checkpoints import BFLOAT16, FLOAT32, Checkpoint, Storage, write_checkpoint
from tests.qwen_tiny.native import is_aligner, native_checkpoint
from tests.qwen_tiny.vocabulary import (
    ALIGNER_CHAT_TEMPLATE,
    CHAT_TEMPLATE,
    Vocabulary,
    build_vocabulary,
    write_native_vocabulary,
    write_vocabulary,
)


@cache
def vocabulary() -> Vocabulary:
    """Give the one tokenizer of all tiny models."""
    return build_vocabulary()


def asr_checkpoint(layers: int) -> Checkpoint:
    """Give a recognizer with the first layers of the target."""
    words = vocabulary()
    return Checkpoint(_asr_files(asr.asr_config(words, layers)), asr.asr_tensors(words, layers))


def poisoned_checkpoint() -> Checkpoint:
    """Give a target that computes NaN for a prompt with `asr.POISON_TEXT` in it."""
    words = vocabulary()
    config = asr.asr_config(words, asr.TARGET_LAYERS, tied=False)
    return Checkpoint(_asr_files(config), asr.poisoned_tensors(words))


def aligner_checkpoint() -> Checkpoint:
    """Give a forced aligner."""
    words = vocabulary()
    return Checkpoint(_asr_files(asr.aligner_config(words)), asr.aligner_tensors(words))


def tts_checkpoint(variant: tts.Variant) -> Checkpoint:
    """Give a synthesizer, without its codec."""
    words = vocabulary()
    files = {
        "config.json": tts.tts_config(variant, words),
        "generation_config.json": tts.tts_generation_config(),
        "preprocessor_config.json": tts.tts_preprocessor_config(),
    }
    return Checkpoint(files, tts.tts_tensors(variant, words))


def codec_checkpoint() -> Checkpoint:
    """Give the codec that every synthesizer has in ``speech_tokenizer``."""
    files = {
        "config.json": codec.codec_config(),
        "preprocessor_config.json": codec.codec_preprocessor_config(),
    }
    return Checkpoint(files, codec.codec_tensors())


def _asr_files(config: dict[str, object]) -> dict[str, object]:
    return {
        "config.json": config,
        "generation_config.json": asr.generation_config(vocabulary()),
        "preprocessor_config.json": asr.preprocessor_config(),
    }


class TinyModels:
    """The checkpoints of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def asr_target(self, storage: Storage = BFLOAT16, *, native: bool = False) -> Path:
        """Give the recognizer of four decoder layers; ``native`` is the layout of transformers 5."""
        return self._write("asr-target", asr_checkpoint(asr.TARGET_LAYERS), storage, native=native)

    def asr_draft(self, storage: Storage = BFLOAT16, *, native: bool = False) -> Path:
        """Give the recognizer of the target's first two decoder layers."""
        return self._write("asr-draft", asr_checkpoint(asr.DRAFT_LAYERS), storage, native=native)

    def asr_poisoned(self, storage: Storage = BFLOAT16) -> Path:
        """Give the target that computes NaN for a prompt with `asr.POISON_TEXT` in it."""
        return self._write("asr-poisoned", poisoned_checkpoint(), storage)

    def aligner(self, storage: Storage = BFLOAT16, *, native: bool = False) -> Path:
        """Give the forced aligner."""
        return self._write("aligner", aligner_checkpoint(), storage, native=native)

    def tts(self, kind: tts.Kind, size: tts.Size = "1b7", storage: Storage = BFLOAT16) -> Path:
        """Give a synthesizer with its codec; the codec's weights are float32."""
        name = f"tts-{kind.replace('_', '-')}-{size}"
        folder = self._write(name, tts_checkpoint(tts.Variant(kind, size)), storage)
        if not (folder / "speech_tokenizer" / "config.json").exists():
            write_checkpoint(codec_checkpoint(), folder / "speech_tokenizer", FLOAT32)
        return folder

    def _write(
        self, name: str, checkpoint: Checkpoint, storage: Storage, *, native: bool = False
    ) -> Path:
        dtype = str(storage.dtype).removeprefix("torch.")
        layout = "-native" if native else ""
        folder = self._folder / f"{name}-{dtype}-{storage.shards}{layout}"
        if (folder / "config.json").exists():
            return folder
        if native:
            _write_native(native_checkpoint(checkpoint), folder, storage)
        else:
            write_checkpoint(checkpoint, folder, storage)
            write_vocabulary(vocabulary(), folder)
        return folder


def _write_native(checkpoint: Checkpoint, folder: Path, storage: Storage) -> None:
    write_checkpoint(checkpoint, folder, storage)
    template = ALIGNER_CHAT_TEMPLATE if is_aligner(checkpoint) else CHAT_TEMPLATE
    write_native_vocabulary(vocabulary(), folder, template)
