"""One suite for every identifier of text languages, and how often the real one is right."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from speech_service.domain.models import ModelKind
from speech_service.domain.work import IdentifyWork, LanguagesFound, WorkClass, WorkDone
from speech_service.engines.fake import language as fake
from speech_service.engines.fasttext import identifier as fasttext
from speech_service.engines.language_engine import LanguageIdentifier
from speech_service.engines.model_files import ModelFileError
from speech_service.engines.shared import SharedModels
from speech_service.text import bcp47

SENTENCES: Mapping[str, Sequence[str]] = {
    "en": ("Where is the station?", "I would like a coffee", "The weather is nice today", "Good morning", "Thank you"),
    "pt": ("Onde fica a estação?", "Eu gostaria de um café", "O tempo está bom hoje", "Muito obrigado", "Até amanhã"),
    "es": ("¿Dónde está la estación?", "Me gustaría un café", "Hoy hace buen tiempo", "Buenos días", "Muchas gracias"),
    "de": ("Wo ist der Bahnhof?", "Ich hätte gern einen Kaffee", "Das Wetter ist schön", "Guten Morgen", "Danke schön"),
    "fr": ("Où est la gare ?", "Je voudrais un café", "Il fait beau aujourd'hui", "Bonjour", "Merci beaucoup"),
    "zh": ("车站在哪里\uff1f", "我想要一杯咖啡", "今天天气很好", "早上好", "谢谢"),
    "ja": ("駅はどこですか\uff1f", "コーヒーをください", "今日は天気がいい", "おはよう", "ありがとう"),
    "ru": ("Где находится вокзал?", "Я хотел бы кофе", "Сегодня хорошая погода", "Доброе утро", "Спасибо"),
    "ar": ("أين المحطة؟", "أريد قهوة", "الطقس جميل اليوم", "صباح الخير", "شكرا"),
    "hi": ("स्टेशन कहाँ है?", "मुझे कॉफी चाहिए", "आज मौसम अच्छा है", "नमस्ते", "धन्यवाद"),
}  # fmt: skip


@pytest.fixture(params=["fasttext", "fake"], scope="module")
def identifier(request: pytest.FixtureRequest) -> LanguageIdentifier:
    shared = SharedModels()
    if request.param == "fake":
        return fake.load(fake.FakeLanguageOptions(), shared)
    return fasttext.load(fasttext.FasttextOptions(), shared)


def test_guesses_are_tags_with_falling_probabilities(identifier: LanguageIdentifier) -> None:
    texts = [text for group in SENTENCES.values() for text in group]
    for guesses in identifier.identify(texts):
        chances = [guess.probability or 0.0 for guess in guesses]
        assert chances == sorted(chances, reverse=True)
        assert 0 < sum(chances) <= 1.001
        assert all(bcp47.normalize(guess.code) for guess in guesses)


@pytest.mark.parametrize("text", ["", "  \n", "123 + 4", "😀😀", "...", "\ud800"])
def test_what_has_no_letters_has_no_language(identifier: LanguageIdentifier, text: str) -> None:
    assert identifier.identify([text]) == ((),)


@pytest.mark.parametrize("text", ["네", "안녕\n\n하세요", "ok \ud800 안녕하세요 여러분"])
def test_scripts_decide(identifier: LanguageIdentifier, text: str) -> None:
    assert identifier.identify([text])[0][0].code == "ko"


def test_texts_do_not_touch_each_other(identifier: LanguageIdentifier) -> None:
    texts = [group[0] for group in SENTENCES.values()]
    assert identifier.identify(texts) == tuple(identifier.identify([text])[0] for text in texts)
    assert identifier.identify([]) == ()


def test_fasttext_is_right_49_times_of_50() -> None:
    model = fasttext.load(fasttext.FasttextOptions(), SharedModels())
    pairs = [(code, text) for code, texts in SENTENCES.items() for text in texts]
    wrong = [(code, text) for code, text in pairs if model.identify([text])[0][0].code != code]
    assert len(pairs) == 50
    assert len(wrong) <= 1, wrong


def test_fasttext_takes_capitals_addresses_and_a_megabyte() -> None:
    model = fasttext.load(fasttext.FasttextOptions(), SharedModels())
    texts = [
        "WHERE IS THE STATION, PLEASE?",
        "Wo ist der Bahnhof? https://example.com/where-is-the-station",
        "Where is the station? " * 50_000,
    ]
    assert [guesses[0].code for guesses in model.identify(texts)] == ["en", "de", "en"]


def test_every_label_of_fasttext_is_a_tag() -> None:
    model = fasttext.load(
        fasttext.FasttextOptions(max_guesses=200, min_probability=0.0), SharedModels()
    )
    codes = [guess.code for guess in model.identify(["hello world how are you"])[0]]
    assert len(codes) > 120
    assert all(map(bcp47.normalize, codes)), "none is refused"


def test_fasttext_refuses_other_weights(tmp_path: Path) -> None:
    file = tmp_path / "lid.bin"
    file.write_bytes(b"other")
    assert hashlib.sha256(b"other").hexdigest() != fasttext.WEIGHTS[1]
    with pytest.raises(ModelFileError, match="not the expected one"):
        fasttext.load(fasttext.FasttextOptions(weights_file=str(file)), SharedModels())


@pytest.mark.parametrize(
    ("module", "options"),
    [(fasttext, fasttext.FasttextOptions()), (fake, fake.FakeLanguageOptions())],
    ids=["fasttext", "fake"],
)
def test_the_engine_ends_each_item_with_its_guesses(module: ModuleType, options: object) -> None:
    engine = module.build(options, SharedModels())
    assert engine.capabilities == module.describe(options)
    assert engine.capabilities.kind is ModelKind.LANGUAGE_IDENTIFIER
    for work_id, texts in (("a", ("Hello there, how are you?", "")), ("b", ()), ("gone", ("x",))):
        engine.admit(
            IdentifyWork(
                work_id=work_id, stream_id="s", work_class=WorkClass.UNARY, model="m", texts=texts
            )
        )
    engine.abort("gone")
    events = {event.work_id: event for event in engine.step()}
    assert set(events) == {"a", "b"}
    assert all(isinstance(event, WorkDone) for event in events.values())
    assert isinstance(events["a"].outcome, LanguagesFound)
    first, second = events["a"].outcome.guesses
    assert first[0].code == "en"
    assert second == ()
    assert events["b"].outcome.guesses == ()
    assert engine.step() == []
