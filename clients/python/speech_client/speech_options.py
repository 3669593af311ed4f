"""Synthesis options as keyword arguments, and how they become a ``SynthesisConfig``.

Nothing is checked here that the server checks better: it knows the model's capabilities and names the wrong field.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict

from speech.v1 import audio_pb2, common_pb2
from speech.v1.synthesis_service_pb2 import (
    PhoneticAlphabet,
    Segmentation,
    SynthesisConfig,
    Timing,
    VoicePrompt,
)
from speech_client.option_names import check_options
from speech_client.options import AudioFormat, AutoDetect, audio_format, duration

OutputEncoding = Literal[
    "pcm_s16le", "pcm_f32le", "wav", "flac", "mp3", "ogg_opus", "mulaw", "alaw"
]


_ANY_CONTAINER = AutoDetect()


@dataclass(frozen=True, slots=True)
class VoiceSample:
    """A recording whose speaker a voice is to copy.

    Attributes:
        audio: the recording.
        transcript: what is said in it; required unless ``timbre_only``.
        format: how to read the bytes.
        timbre_only: takes only the speaker's timbre, not the way of speaking.
    """

    audio: bytes
    transcript: str = ""
    format: AudioFormat = _ANY_CONTAINER
    timbre_only: bool = False


@dataclass(frozen=True, slots=True)
class VoiceDescription:
    """A voice made from a description in words."""

    text: str


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """How a term is said: a respelling in plain letters, or in a phonetic alphabet."""

    text: str
    alphabet: Literal["respelling", "ipa", "arpabet"] = "respelling"


class SynthesizeOptions(TypedDict, total=False):
    """Options of synthesis; all may be left out.

    An option that the model lacks is an error (``InvalidRequestError``), or a warning with ``lenient``.

    Keys:
        model: name as in ``list_models``; "": the server's default.
        voice: id or alias as in ``list_voices``, or a voice to make for this request alone.
        style: how to speak, in words, such as "whisper".
        language: BCP-47 code of the text; default: the server finds it.
        encoding: form of the audio; default "pcm_s16le".
        sample_rate_hz: 8000 to 48000; default: the model's own.
        trim_silence: drops silence at the start and the end.
        bit_rate_bps: of a lossy encoding.
        speaking_rate: speed as a factor that keeps the pitch, 0.5 to 2.0.
        gain_db: -40 to 20.
        pitch_semitones: -12 to 12.
        lexicon: terms and how they are said; a string is a respelling.
        seed: makes the audio repeatable.
        segmentation: where text is cut into pieces that are spoken at once; default "sentence".
        sentence_pause_ms: how long no text may come before a finished sentence of a stream is spoken; default 200;
            0: it waits for the next word. What might go on ("for you.", "no. ") waits five times as long.
        timing: adds when each word or character is spoken.
        lenient: options that the model lacks are left out with a warning.
        raw_config: escape hatch: a message that the options above are merged into.
    """

    model: str
    voice: str | VoiceDescription | VoiceSample
    style: str
    language: str
    encoding: OutputEncoding
    sample_rate_hz: int
    trim_silence: bool
    bit_rate_bps: int
    speaking_rate: float
    gain_db: float
    pitch_semitones: float
    lexicon: Mapping[str, str | Pronunciation]
    seed: int
    segmentation: Literal["sentence", "clause", "immediate", "manual"]
    sentence_pause_ms: int
    timing: Literal["none", "word", "character"]
    lenient: bool
    raw_config: SynthesisConfig


_SCALARS = ("model", "language", "speaking_rate", "gain_db", "pitch_semitones", "seed")
"""Options whose name and value are the message's own."""

_OUTPUT_SCALARS = ("sample_rate_hz", "trim_silence", "bit_rate_bps")


def build_synthesis_config(options: SynthesizeOptions) -> SynthesisConfig:
    """The message that stands for the options. Raises: see ``check_options``."""
    check_options(options, SynthesizeOptions)
    config = SynthesisConfig()
    if "raw_config" in options:
        config.CopyFrom(options["raw_config"])
    for name in _SCALARS:
        if name in options:
            setattr(config, name, options.get(name))
    _put_output(config, options)
    if "style" in options:
        config.style_instruction = options["style"]
    _put_voice(config, options)
    _put_lexicon(config, options)
    if "segmentation" in options:
        config.segmentation = Segmentation.Value(f"SEGMENTATION_{options['segmentation'].upper()}")
    if "sentence_pause_ms" in options:
        config.sentence_pause.CopyFrom(duration(options["sentence_pause_ms"]))
    if "timing" in options:
        config.timing = Timing.Value(f"TIMING_{options['timing'].upper()}")
    if options.get("lenient"):
        config.option_handling = common_pb2.OPTION_HANDLING_LENIENT
    return config


def voice_prompt(sample: VoiceSample) -> VoicePrompt:
    """The message that stands for a recording to copy."""
    return VoicePrompt(
        format=audio_format(sample.format),
        audio=sample.audio,
        transcript=sample.transcript,
        speaker_embedding_only=sample.timbre_only,
    )


def _put_output(config: SynthesisConfig, options: SynthesizeOptions) -> None:
    for name in _OUTPUT_SCALARS:
        if name in options:
            setattr(config.output, name, options.get(name))
    if "encoding" in options:
        name = f"OUTPUT_ENCODING_{options['encoding'].upper()}"
        config.output.encoding = audio_pb2.OutputEncoding.Value(name)


def _put_voice(config: SynthesisConfig, options: SynthesizeOptions) -> None:
    match options.get("voice"):
        case str(name):
            config.voice_id = name
        case VoiceDescription(text):
            config.design.description = text
        case VoiceSample() as sample:
            config.inline_prompt.CopyFrom(voice_prompt(sample))
        case None:
            pass


def _put_lexicon(config: SynthesisConfig, options: SynthesizeOptions) -> None:
    for term, said in options.get("lexicon", {}).items():
        how = said if isinstance(said, Pronunciation) else Pronunciation(said)
        entry = config.lexicon.add(term=term, pronunciation=how.text)
        if how.alphabet != "respelling":
            entry.alphabet = PhoneticAlphabet.Value(f"PHONETIC_ALPHABET_{how.alphabet.upper()}")
