"""Forced alignment: the words that qwen-asr cuts a text into, and their times."""

from dataclasses import dataclass
from typing import Any

import torch

from tests.qwen_tiny.audio import speech_like
from tests.qwen_tiny.folder import TinyModels
from tests.qwen_tiny.golden import Golden, audio_digest, unique_names
from tools.golden_qwen.official import load_aligner, provenance
from tools.golden_qwen.recognition import smallest_lead

SMALLEST_LEAD = 0.0005  # as in recognition, over 5000 classes


@dataclass(frozen=True)
class Text:
    """One request."""

    name: str
    language: str
    duration_s: float
    text: str


ENGLISH = "The boat's crew, well-rested at last, left at 7:45; it wasn't late... \"Really?\" asked O'Neil. "
CHINESE = "今天的会议十点开始,请大家准时到。我们用 Qwen3 模型,版本2.0,效果很好!"
JAPANESE = "東京の天気は晴れです。音声を文字にして、時刻を付けます。カタカナとABCも混ざります。"
KOREAN = "오늘 날씨가 정말 좋습니다. 음성을 글자로 바꾸고 시간을 붙입니다, 그렇죠?"
TEXTS = (
    Text("en-short", "English", 0.6, "yes"),
    Text("en", "English", 4.37, ENGLISH),
    Text("en-long", "English", 60.0, ENGLISH * 12),
    Text("en-three-minutes", "English", 180.0, ENGLISH * 24),
    Text("en-mixed", "english", 6.0, "we met 王先生 in 東京, then left"),
    Text("zh", "Chinese", 8.0, CHINESE),
    Text("zh-long", "Chinese", 44.0, CHINESE * 5),
    Text("yue", "Cantonese", 5.0, "佢哋今日去咗邊度呀?我唔知喎 OK"),
    Text("ja", "Japanese", 7.3, JAPANESE),
    Text("ja-long", "Japanese", 30.0, JAPANESE * 4),
    Text("ko", "Korean", 6.6, KOREAN),
    Text("ko-long", "Korean", 33.0, KOREAN * 4),
    Text(
        "de",
        "German",
        5.1,
        "Der Zug nach München fährt um 10 Uhr \u2013 ist das sicher? Straßenbahn.",
    ),
    Text("fr", "French", 4.0, "Aujourd'hui l'été s'achève ; où est-ce qu'on va ?"),
    Text("es", "Spanish", 3.5, "¿Dónde está el niño? ¡Mañana cantará!"),
    Text("it", "Italian", 3.0, "Perché l'acqua è così fredda?"),
    Text("pt", "Portuguese", 3.2, "Não há maçãs à venda amanhã."),
    Text("ru", "Russian", 4.4, "Поезд в Москву отправляется в десять часов, ёлки-палки."),
    Text("repeats", "English", 9.0, "one " * 40),
    Text("combining", "French", 2.0, "e\u0301te\u0301 no\u0308el 1\u00bd x\u00b2"),
)


def record(models: TinyModels) -> Golden:
    """Ask the package about every text."""
    folder = models.aligner()
    package = load_aligner(folder)
    cases = [_clear_answer(package, index, text) for index, text in enumerate(TEXTS)]
    unique_names(cases)
    return Golden({**provenance({"aligner": folder}), "cases": cases}, {})


def _clear_answer(package: Any, index: int, text: Text) -> dict[str, Any]:
    seed = 5000 + index
    while True:
        case = _answer(package, seed, text)
        if case["smallest_lead"] >= SMALLEST_LEAD:
            return case
        seed += 1000


@torch.inference_mode()
def _answer(package: Any, seed: int, text: Text) -> dict[str, Any]:
    audio = speech_like(seed, text.duration_s)
    _, prompt = package.aligner_processor.encode_timestamp(text.text, text.language)
    inputs = package.processor(text=[prompt], audio=[audio], return_tensors="pt", padding=True)
    ids = inputs["input_ids"][0]
    logits = package.model.thinker(**inputs).logits[0]
    marked = logits[ids == package.timestamp_token_id]
    items = package.align((audio, 16_000), text.text, text.language)[0].items
    return {
        "name": text.name,
        "language": text.language,
        "text": text.text,
        "audio": {"seed": seed, "duration_s": text.duration_s, "sha256": audio_digest(audio)},
        "prompt_ids": ids.tolist(),
        "classes": marked.argmax(-1).tolist(),
        "smallest_lead": smallest_lead(list(marked)),
        "words": [item.text for item in items],
        "start_ms": [round(item.start_time * 1000) for item in items],
        "end_ms": [round(item.end_time * 1000) for item in items],
    }
