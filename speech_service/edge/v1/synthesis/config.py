"""SynthesisConfig to what a client asks for, and back: decoding alone, but for enum values that nobody knows."""

from speech.v1 import audio_pb2
from speech.v1 import synthesis_service_pb2 as pb
from speech_service.calls.requests.synthesis import WantedOutput, WantedSynthesis
from speech_service.calls.requests.voice_prompt import RecordedVoice
from speech_service.domain.call import Call
from speech_service.domain.errors import InvalidFieldError
from speech_service.domain.models import Capability
from speech_service.domain.synthesis import LexiconEntry, OutputEncoding, Segmentation
from speech_service.edge.fields import Fields
from speech_service.edge.v1 import common as convert
from speech_service.edge.v1.update import merged

_CONFIG = pb.SynthesisConfig.DESCRIPTOR
FIELDS = Fields.of(_CONFIG, "config")
UPDATE_FIELDS = Fields.of(_CONFIG, "update_config.config")
ENCODINGS = {
    audio_pb2.OUTPUT_ENCODING_UNSPECIFIED: OutputEncoding.PCM_S16LE,
    audio_pb2.OUTPUT_ENCODING_PCM_S16LE: OutputEncoding.PCM_S16LE,
    audio_pb2.OUTPUT_ENCODING_PCM_F32LE: OutputEncoding.PCM_F32LE,
    audio_pb2.OUTPUT_ENCODING_WAV: OutputEncoding.WAV,
    audio_pb2.OUTPUT_ENCODING_FLAC: OutputEncoding.FLAC,
    audio_pb2.OUTPUT_ENCODING_MP3: OutputEncoding.MP3,
    audio_pb2.OUTPUT_ENCODING_OGG_OPUS: OutputEncoding.OGG_OPUS,
    audio_pb2.OUTPUT_ENCODING_MULAW: OutputEncoding.MULAW,
    audio_pb2.OUTPUT_ENCODING_ALAW: OutputEncoding.ALAW,
}
SEGMENTATIONS = {
    pb.SEGMENTATION_UNSPECIFIED: Segmentation.SENTENCE,
    pb.SEGMENTATION_SENTENCE: Segmentation.SENTENCE,
    pb.SEGMENTATION_CLAUSE: Segmentation.CLAUSE,
    pb.SEGMENTATION_IMMEDIATE: Segmentation.IMMEDIATE,
    pb.SEGMENTATION_MANUAL: Segmentation.MANUAL,
}
ALPHABETS = {
    pb.PHONETIC_ALPHABET_UNSPECIFIED: "",
    pb.PHONETIC_ALPHABET_IPA: "ipa",
    pb.PHONETIC_ALPHABET_ARPABET: "arpabet",
}
_TIMINGS = {
    pb.TIMING_UNSPECIFIED: None,
    pb.TIMING_NONE: None,
    pb.TIMING_WORD: Capability.WORD_TIMINGS,
    pb.TIMING_CHARACTER: Capability.CHARACTER_TIMINGS,
}


def wanted(message: pb.SynthesisConfig, call: Call, path: str = "config") -> WantedSynthesis:
    """What the client of ``call`` wrote in the configuration at ``path``.

    Raises:
        InvalidFieldError: an enum has an unknown value.
    """
    voice = message.WhichOneof("voice")
    return WantedSynthesis(
        tenant=call.principal.tenant,
        model=message.model,
        voice_id=message.voice_id,
        recording=(
            recorded_voice(message.inline_prompt, f"{path}.inline_prompt")
            if voice == "inline_prompt"
            else None
        ),
        design=message.design.description if voice == "design" else None,
        language=message.language,
        output=_output(message.output, f"{path}.output"),
        speaking_rate=message.speaking_rate if message.HasField("speaking_rate") else None,
        gain_db=message.gain_db if message.HasField("gain_db") else None,
        pitch_semitones=message.pitch_semitones,
        style_instruction=message.style_instruction,
        lexicon=tuple(
            _lexicon_entry(entry, f"{path}.lexicon[{index}]")
            for index, entry in enumerate(message.lexicon)
        ),
        seed=message.seed if message.HasField("seed") else None,
        segmentation=SEGMENTATIONS.get(message.segmentation),
        sentence_pause_ms=convert.given_ms(message, "sentence_pause"),
        timing=convert.enum_value(_TIMINGS, message.timing, pb.Timing, f"{path}.timing"),
        lenient=convert.is_lenient(message.option_handling, f"{path}.option_handling"),
    )


def recorded_voice(message: pb.VoicePrompt, path: str) -> RecordedVoice:
    """A recording as a client sent it."""
    try:
        audio_format = convert.audio_format(message.format, f"{path}.format", packets=False)
    except InvalidFieldError as error:
        audio_format = error  # told when the recording is read: other options are checked before
    return RecordedVoice(
        audio_format, message.audio, message.transcript, message.speaker_embedding_only
    )


def updated(current: pb.SynthesisConfig, message: pb.UpdateSynthesisConfig) -> pb.SynthesisConfig:
    """The configuration after an update; raises as :func:`merged` does."""
    return merged(current, message.config, message.update_mask, ("model",))


def _output(message: audio_pb2.SynthesisOutput, path: str) -> WantedOutput:
    encoding = convert.enum_value(
        ENCODINGS, message.encoding, audio_pb2.OutputEncoding, f"{path}.encoding"
    )
    rate_hz = message.sample_rate_hz if message.HasField("sample_rate_hz") else None
    bits_bps = message.bit_rate_bps if message.HasField("bit_rate_bps") else None
    return WantedOutput(encoding, rate_hz, message.trim_silence, bits_bps)


def _lexicon_entry(message: pb.LexiconEntry, path: str) -> LexiconEntry:
    alphabet = convert.enum_value(
        ALPHABETS, message.alphabet, pb.PhoneticAlphabet, f"{path}.alphabet"
    )
    return LexiconEntry(message.term, message.pronunciation, alphabet)
