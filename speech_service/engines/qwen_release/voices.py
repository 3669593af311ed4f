"""The built-in speakers of Qwen3-TTS CustomVoice. Source: ``spk_id`` of the release, and its model card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from speech_service.domain.synthesis import Voice, VoiceGender
from speech_service.engines.qwen_release.synthesis import NAMES

SAMPLE_RATE_HZ = 24_000


@dataclass(frozen=True, slots=True)
class _Speaker:
    display_name: str
    gender: VoiceGender
    description: str


_F, _M = VoiceGender.FEMALE, VoiceGender.MALE
_SPEAKERS: Mapping[str, _Speaker] = {
    "vivian": _Speaker("Vivian", _F, "Bright young voice; native Chinese"),
    "serena": _Speaker("Serena", _F, "Warm young voice; native Chinese"),
    "uncle_fu": _Speaker("Uncle Fu", _M, "Low, mellow voice of some age; native Chinese"),
    "dylan": _Speaker("Dylan", _M, "Clear young voice; native Beijing dialect"),
    "eric": _Speaker("Eric", _M, "Lively, husky voice; native Sichuan dialect"),
    "ryan": _Speaker("Ryan", _M, "Dynamic voice; native English"),
    "aiden": _Speaker("Aiden", _M, "Sunny voice; native American English"),
    "ono_anna": _Speaker("Ono Anna", _F, "Playful, light voice; native Japanese"),
    "sohee": _Speaker("Sohee", _F, "Warm, emotional voice; native Korean"),
}
SPEAKERS = tuple(_SPEAKERS)


def qwen_voices(model: str, names: Sequence[str], sample_rate_hz: int) -> tuple[Voice, ...]:
    """A voice for each speaker; of names that the release does not have nothing more than the name is known."""
    return tuple(_voice(model, name, sample_rate_hz) for name in names)


def _voice(model: str, name: str, sample_rate_hz: int) -> Voice:
    speaker = _SPEAKERS.get(name) or _Speaker(name, VoiceGender.NEUTRAL, "")
    return Voice(
        voice_id=name,
        display_name=speaker.display_name,
        model=model,
        languages=tuple(tag for tag in NAMES if "-" not in tag),
        gender=speaker.gender,
        sample_rate_hz=sample_rate_hz,
        description=speaker.description,
    )
