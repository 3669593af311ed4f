"""Voices made of recordings: computed once for each content, kept in memory and, where a folder is given, on disk.

A file holds the speaker's embedding and the recording's codes as safetensors, no audio and no text. Its name is a
digest of the recording, its transcript and the checkpoint's weights, so a file never belongs to something else.
"""

# torch and safetensors declare their types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import hashlib
import logging
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from speech_service.domain.errors import UnsupportedOptionError
from speech_service.domain.synthesis import VoicePrompt
from speech_service.engines.qwen3.codec.streams import CodecSnapshot, CodecStreams
from speech_service.engines.qwen3.tts.model import TtsModel
from speech_service.engines.qwen3.tts.prompt import Reference
from speech_service.media.voice_prompt import check_voice_recording

logger = logging.getLogger(__name__)

_OPTION = "inline_prompt.audio"


@dataclass(slots=True, eq=False)
class ClonedVoice:
    """What speaking with a cloned voice needs."""

    reference: Reference
    codec_start: CodecSnapshot | None
    """The codec's state behind the recording, whose end the speech continues; None: it starts anew."""


class VoiceStore:
    """Makes cloned voices. Only the device's thread uses it."""

    def __init__(
        self,
        model: TtsModel,
        codec: CodecStreams,
        fingerprint: str,
        folder: Path | None = None,
        max_voices: int = 64,
    ) -> None:
        """``fingerprint`` names the checkpoint's weights; ``max_voices`` are kept in memory, those used last."""
        self._model = model
        self._codec = codec
        self._fingerprint = fingerprint
        self._folder = folder
        self._max_voices = max_voices
        self._voices: OrderedDict[str, ClonedVoice] = OrderedDict()
        self.encoder_runs = 0
        """How many recordings went through the encoders."""

    def voice(self, prompt: VoicePrompt) -> ClonedVoice:
        """The voice of a prompt, made now if it is not known.

        Raises:
            UnsupportedOptionError: the checkpoint does not clone.
            InvalidOptionError: the recording is too short, too long, silent or not finite.
        """
        if self._model.encoders is None:
            problem = "this model does not clone voices"
            raise UnsupportedOptionError("inline_prompt", problem, ("voice_id",))
        found = self._voices.get(prompt.digest)
        if found is None:
            check_voice_recording(prompt.samples, _OPTION)
            reference = self._stored(prompt) or self._made(prompt)
            found = ClonedVoice(reference, self._behind(reference))
            self._voices[prompt.digest] = found
            while len(self._voices) > self._max_voices:
                self._voices.popitem(last=False)
        self._voices.move_to_end(prompt.digest)
        return found

    def _made(self, prompt: VoicePrompt) -> Reference:
        encoders = self._model.encoders
        assert encoders is not None, "asked before"
        self.encoder_runs += 1
        samples = torch.from_numpy(prompt.samples.copy()).to(self._model.device)
        embedding = encoders.speaker(samples)
        codes = encoders.codec(samples.to(self._model.dtype)) if prompt.transcript.strip() else None
        reference = Reference(embedding, codes, prompt.transcript)
        self._store(prompt, reference)
        return reference

    def _behind(self, reference: Reference) -> CodecSnapshot | None:
        """Let the codec decode the recording, which nobody hears."""
        if reference.codes is None:
            return None
        slot = self._codec.open()
        try:
            self._codec.begin({slot: reference.codes})
            return self._codec.snapshot(slot)
        finally:
            self._codec.close(slot)

    # --- files ---

    def _file(self, prompt: VoicePrompt) -> Path | None:
        if self._folder is None:
            return None
        name = hashlib.sha256(f"{self._fingerprint}:{prompt.digest}".encode()).hexdigest()
        return self._folder / f"{name}.safetensors"

    def _stored(self, prompt: VoicePrompt) -> Reference | None:
        file = self._file(prompt)
        if file is None or not file.is_file():
            return None
        try:
            tensors = load_file(file, device=str(self._model.device))
            embedding = tensors["embedding"].to(self._model.dtype)
            return Reference(embedding, tensors.get("codes"), prompt.transcript)
        except (SafetensorError, OSError, KeyError) as error:
            logger.warning("a stored voice cannot be read and is made again: %s", error)
            return None

    def _store(self, prompt: VoicePrompt, reference: Reference) -> None:
        file = self._file(prompt)
        if file is None:
            return
        tensors = {"embedding": reference.embedding.contiguous()}
        if reference.codes is not None:
            tensors["codes"] = reference.codes.contiguous()
        part = file.with_suffix(f".{os.getpid()}.part")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, part)
            part.replace(file)
        except OSError as error:
            logger.warning("a voice cannot be stored: %s", error.strerror)
