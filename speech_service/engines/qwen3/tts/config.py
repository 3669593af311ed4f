"""What ``config.json`` and ``generation_config.json`` of a speaking checkpoint say. Nothing here needs torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

from speech_service.engines.qwen3.checkpoint.files import CheckpointFiles
from speech_service.engines.qwen3.nn.shapes import DecoderShape
from speech_service.engines.qwen3.tts.sampling_rules import Sampling

MODEL_TYPE = "qwen3_tts"
CODEC_FOLDER = "speech_tokenizer"
CODEC_MODEL_TYPE = "qwen3_tts_tokenizer_12hz"
FRAME_RATE_HZ = 12.5
_PREDICTOR_HEAD_DIM = 128
_FIXED: Mapping[str, object] = {
    "hidden_act": "silu",
    "attention_bias": False,
    "use_sliding_window": False,
}
"""What the decoder stack takes for granted, where the configuration mentions it."""
SAMPLE_RATE_HZ = 24_000


class TtsKind(Enum):
    """Where a checkpoint takes its voices from; values are the release's ``tts_model_type``."""

    CUSTOM_VOICE = "custom_voice"
    """Built-in speakers."""
    VOICE_DESIGN = "voice_design"
    """A description in words."""
    BASE = "base"
    """A recording of the speaker."""


@dataclass(frozen=True, slots=True)
class ControlIds:
    """Ids with a meaning: the first group in the talker's vocabulary, the second in that of text."""

    codec_bos: int
    codec_eos: int
    codec_pad: int
    think: int
    no_think: int
    think_bos: int
    think_eos: int
    text_bos: int
    text_eos: int
    text_pad: int


@dataclass(frozen=True, slots=True)
class TtsConfig:
    """One checkpoint. Names of speakers and languages are the release's, in lower case."""

    kind: TtsKind
    size: str
    talker: DecoderShape
    predictor: DecoderShape
    codebooks: int
    ids: ControlIds
    speakers: Mapping[str, int]
    dialects: Mapping[str, str]
    """Dialect that a speaker speaks where the text is Chinese or its language is not named."""
    languages: Mapping[str, int]
    """With the dialects."""
    sampling: Sampling
    """What the release recommends."""

    @property
    def follows_instructions(self) -> bool:
        """Whether words may say how to speak: the small model with built-in speakers was not trained for it."""
        return self.kind is TtsKind.VOICE_DESIGN or (
            self.kind is TtsKind.CUSTOM_VOICE and self.size not in ("0b6", "0.6b")
        )


def read_tts_config(files: CheckpointFiles) -> TtsConfig:
    """Read the two files.

    Raises:
        CheckpointError: a field is missing or of a value that is not supported.
    """
    top = files.config
    if top.get("model_type") != MODEL_TYPE:
        raise files.error(
            f"config.json says model_type {top.get('model_type')!r}; {MODEL_TYPE!r} is needed here"
        )
    if top.get("tokenizer_type", CODEC_MODEL_TYPE) != CODEC_MODEL_TYPE:
        raise files.error(
            f"tokenizer_type {top['tokenizer_type']!r} is not implemented, only {CODEC_MODEL_TYPE!r}"
        )
    try:
        talker = _section(top, "talker_config")
        # The package's own default where the release leaves it out; elsewhere it follows from the other sizes.
        predictor = {"head_dim": _PREDICTOR_HEAD_DIM, **_section(talker, "code_predictor_config")}
        for section in (talker, predictor):
            _hold(section)
        return TtsConfig(
            kind=TtsKind(top["tts_model_type"]),
            size=str(top.get("tts_model_size", "")),
            talker=DecoderShape.from_config(talker),
            predictor=DecoderShape.from_config(predictor),
            codebooks=int(talker["num_code_groups"]),
            ids=_control_ids(top, talker),
            speakers={name.lower(): int(id_) for name, id_ in _table(talker, "spk_id")},
            dialects={
                name.lower(): str(dialect)
                for name, dialect in _table(talker, "spk_is_dialect")
                if dialect
            },
            languages={name.lower(): int(id_) for name, id_ in _table(talker, "codec_language_id")},
            sampling=_sampling(files.json("generation_config.json") or {}),
        )
    except KeyError as error:
        raise files.error(f"config.json lacks {error.args[0]}") from error
    except (TypeError, ValueError) as error:
        raise files.error(f"config.json holds a value that cannot be used: {error}") from error


def _section(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    section = config[key]
    if not isinstance(section, Mapping):
        raise TypeError(f"{key} is no object")
    return cast(Mapping[str, Any], section)


def _hold(config: Mapping[str, Any]) -> None:
    for key, value in _FIXED.items():
        if config.get(key, value) != value:
            raise ValueError(f"{key} is {config[key]!r}; only {value!r} is implemented")


def _table(config: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    return list(cast(dict[str, Any], config.get(key) or {}).items())


def _control_ids(top: Mapping[str, Any], talker: Mapping[str, Any]) -> ControlIds:
    return ControlIds(
        codec_bos=int(talker["codec_bos_id"]),
        codec_eos=int(talker["codec_eos_token_id"]),
        codec_pad=int(talker["codec_pad_id"]),
        think=int(talker["codec_think_id"]),
        no_think=int(talker["codec_nothink_id"]),
        think_bos=int(talker["codec_think_bos_id"]),
        think_eos=int(talker["codec_think_eos_id"]),
        text_bos=int(top["tts_bos_token_id"]),
        text_eos=int(top["tts_eos_token_id"]),
        text_pad=int(top["tts_pad_token_id"]),
    )


def _sampling(generation: Mapping[str, Any]) -> Sampling:
    """The release's values; where it gives none, those that its package falls back to."""
    default = Sampling()
    samples = bool(generation.get("do_sample", True))
    predictor_samples = bool(generation.get("subtalker_dosample", True))

    def number(key: str, otherwise: float) -> float:
        value = generation.get(key)
        return otherwise if value is None else float(value)

    return Sampling(
        temperature=number("temperature", default.temperature) if samples else 0.0,
        top_k=int(number("top_k", default.top_k)),
        top_p=number("top_p", default.top_p),
        repetition_penalty=number("repetition_penalty", default.repetition_penalty),
        predictor_temperature=(
            number("subtalker_temperature", default.predictor_temperature)
            if predictor_samples
            else 0.0
        ),
        predictor_top_k=int(number("subtalker_top_k", default.predictor_top_k)),
        predictor_top_p=number("subtalker_top_p", default.predictor_top_p),
    )
