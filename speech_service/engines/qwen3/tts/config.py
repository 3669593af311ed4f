"""What ``config.json`` and ``generation_config.json`` of a speaking checkpoint say. Nothing here needs torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from speech_service.engines.qwen3.nn.shapes import DecoderShape
from speech_service.engines.qwen3.tts.sampling_rules import Sampling
from speech_service.engines.qwen_release.files import CheckpointFiles
from speech_service.engines.qwen_release.synthesis import (
    Abilities,
    TtsKind,
    read_abilities,
    section,
    table,
)

CODEC_FOLDER = "speech_tokenizer"
FRAME_RATE_HZ = 12.5
_PREDICTOR_HEAD_DIM = 128
_FIXED: Mapping[str, object] = {
    "hidden_act": "silu",
    "attention_bias": False,
    "use_sliding_window": False,
}
"""What the decoder stack takes for granted, where the configuration mentions it."""


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

    abilities: Abilities
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
    def kind(self) -> TtsKind:
        """Where its voices come from."""
        return self.abilities.kind


def read_tts_config(files: CheckpointFiles) -> TtsConfig:
    """Read the two files.

    Raises:
        CheckpointError: a field is missing or of a value that is not supported.
    """
    top, abilities = files.config, read_abilities(files)
    with files.reading_config():
        talker = section(top, "talker_config")
        # The package's own default where the release leaves it out; elsewhere it follows from the other sizes.
        predictor = {"head_dim": _PREDICTOR_HEAD_DIM, **section(talker, "code_predictor_config")}
        for network in (talker, predictor):
            _hold(network)
        return TtsConfig(
            abilities=abilities,
            talker=DecoderShape.from_config(talker),
            predictor=DecoderShape.from_config(predictor),
            codebooks=int(talker["num_code_groups"]),
            ids=_control_ids(top, talker),
            speakers={name: int(id_) for name, id_ in table(talker, "spk_id").items()},
            dialects={
                name: str(dialect)
                for name, dialect in table(talker, "spk_is_dialect").items()
                if dialect
            },
            languages={name: int(id_) for name, id_ in table(talker, "codec_language_id").items()},
            sampling=_sampling(files.json("generation_config.json") or {}),
        )


def _hold(config: Mapping[str, Any]) -> None:
    for key, value in _FIXED.items():
        if config.get(key, value) != value:
            raise ValueError(f"{key} is {config[key]!r}; only {value!r} is implemented")


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
