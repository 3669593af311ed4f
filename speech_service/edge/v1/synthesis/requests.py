"""Configurations of speech that are checked as a whole, the voice that they bring along included."""

from dataclasses import dataclass

from speech.v1 import synthesis_service_pb2 as pb
from speech_service.calls.synthesis import make_voice
from speech_service.calls.voices.catalog import VoiceCatalog
from speech_service.edge.v1.synthesis.config import SynthesisConverter, SynthesisRequest
from speech_service.edge.v1.voice_prompt import PromptReader


@dataclass(frozen=True, slots=True)
class SynthesisRequests:
    """Checks what clients ask for against the models and the voices of now."""

    converter: SynthesisConverter
    voices: VoiceCatalog
    prompts: PromptReader

    async def check(self, config: pb.SynthesisConfig) -> SynthesisRequest:
        """Check and convert a configuration.

        Raises:
            SpeechError: something of it is wrong, or no model can do it.
        """
        await self.voices.refresh()
        checked = self.converter.request(config)
        await make_voice(self.voices, self.prompts, checked, "config")
        return checked

    async def update(
        self, current: SynthesisRequest, message: pb.UpdateSynthesisConfig
    ) -> SynthesisRequest:
        """The request after an update; ``current`` stays as it is.

        Raises:
            SpeechError: as ``check``; the mask names what cannot change.
        """
        await self.voices.refresh()
        updated = self.converter.update(current, message)
        await make_voice(self.voices, self.prompts, updated, "update_config.config")
        return updated
