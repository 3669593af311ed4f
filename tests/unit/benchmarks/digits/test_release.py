"""A digit model and its checkpoint: prompts, tensors and answers are what the service makes of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra qwen")

import torch
from tokenizers import Tokenizer

from benchmarks.digits import DIGITS, model, reading, release, tokens, training
from benchmarks.digits.batches import IGNORED, Batches
from benchmarks.digits.corpus import Spoken, Utterance
from benchmarks.digits.mixing import Mixer
from benchmarks.digits.tokens import Prompter
from speech_service.engines.qwen3.asr.output import parse
from speech_service.engines.qwen3.asr.prompt import AsrPrompter
from speech_service.engines.qwen3.asr_config import AUDIO_PREFIX, DECODER_PREFIX, read_asr_config
from speech_service.engines.qwen3.checkpoint.reading import open_checkpoint
from speech_service.engines.qwen3.tokenizer import QwenTokenizer

TINY = model.Size(width=64, encoder_layers=1, decoder_layers=1, conv_channels=4)


@dataclass(frozen=True)
class Written:
    """A random model and the folder that it was written to."""

    network: model.DigitsModel
    config: dict[str, Any]
    tokenizer: Tokenizer
    folder: Path

    @property
    def prompter(self) -> Prompter:
        return Prompter(self.tokenizer)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("digits") / "tiny"
    tokenizer = tokens.build()
    config = model.config(TINY, 384, model.special_ids(Prompter(tokenizer)))
    network = model.DigitsModel(config).bfloat16().float()
    release.write(folder, network, config, tokenizer)
    return Written(network, config, tokenizer, folder)


def voices() -> list[Utterance]:
    """Ten digits that are ten pitches."""
    seconds = np.arange(6400) / 16_000
    tones = [np.sin(2 * np.pi * 200 * (digit + 2) * seconds) * 0.5 for digit in range(10)]
    return [
        Utterance("tone", 0, tone.astype(np.float32), (Spoken(digit, 0, 6400),))
        for digit, tone in enumerate(tones)
    ]


def test_a_digit_is_one_token_with_and_without_a_space_before_it(written: Written) -> None:
    for digit in DIGITS:
        assert len(written.prompter.ids(digit)) == 1
        assert len(written.prompter.ids(f" {digit}")) == 1


@pytest.mark.parametrize(("context", "language"), [("", ""), ("flight number", ""), ("", "en")])
def test_training_prompts_are_those_of_the_service(
    written: Written, context: str, language: str
) -> None:
    tokenizer = QwenTokenizer(open_checkpoint(str(written.folder), "qwen3_asr").files)
    theirs = AsrPrompter(tokenizer).prompt(context, language)
    ours = written.prompter.prompt(5, context, "English" if language else "")
    assert ours == [*theirs.head, *[written.prompter.audio_pad] * 5, *theirs.tail]


@pytest.mark.parametrize(
    ("text", "language", "answer"),
    [
        ("one two", "", "language English<asr_text>one two"),
        ("one two", "English", "one two"),
        ("", "", "language None<asr_text>"),
        ("", "English", ""),
    ],
)
def test_answers_are_read_by_the_service(
    written: Written, text: str, language: str, answer: str
) -> None:
    prompter = written.prompter
    example = prompter.example(3, text, "", language)
    learnt = list(example.ids[len(example.ids) - example.learnt :])
    assert learnt[-1] == prompter.turn_end
    assert prompter.text(learnt) == answer
    assert parse(answer, "en" if language else "").text == text


def test_the_written_tensors_are_those_that_the_config_asks_for(written: Written) -> None:
    checkpoint = open_checkpoint(str(written.folder), "qwen3_asr")
    assert read_asr_config(checkpoint).languages == ("English",)
    again = model.DigitsModel(written.config)
    tensors = checkpoint.reader(torch.float32)
    again.encoder.load(tensors, AUDIO_PREFIX)
    again.stack.load(tensors, DECODER_PREFIX)
    mine, theirs = release.tensors(written.network), release.tensors(again)
    assert mine.keys() == theirs.keys() == checkpoint.names
    embedding = "thinker.model.embed_tokens.weight"
    assert all(torch.equal(mine[name], theirs[name]) for name in mine if name != embedding)
    assert torch.equal(mine[embedding], tensors(embedding))


def test_what_is_learnt_is_the_answer_and_nothing_else(written: Written) -> None:
    prompter = written.prompter
    shape = written.network.encoder.shape
    batch = next(Batches(Mixer(voices(), 1), prompter, shape, 8.0, 1).pool(3))
    assert len(batch.digits) > 1
    for row, digits in enumerate(batch.digits):
        said = prompter.text([t for t in batch.labels[row].tolist() if t != IGNORED])
        assert said.endswith(" ".join(DIGITS[digit] for digit in digits))
        assert int(batch.states[row]) == int(batch.heard.is_audio[row].sum())
    assert int(batch.heard.tokens.sum()) == int(batch.states.sum())


@pytest.mark.filterwarnings("ignore:Mismatch dtype")  # autocast and a norm in float32: as meant
def test_training_learns_and_reading_reads_what_was_learnt() -> None:
    torch.manual_seed(1)
    tokenizer = tokens.build()
    prompter = Prompter(tokenizer)
    network = model.DigitsModel(model.config(TINY, 384, model.special_ids(prompter)))
    shape = network.encoder.shape
    losses: list[float] = []
    recipe = training.Recipe(audio_hours=0.12, batch_s=8.0, peak_rate=4e-3, stages=((1.0, 1),))
    batches = Batches(Mixer(voices(), 1), prompter, shape, recipe.batch_s, 1)
    outcome = training.train(network, batches, recipe, lambda now: losses.append(now.loss))
    assert outcome.steps == len(losses)
    assert outcome.audio_s >= 0.12 * 3600
    assert losses[-1] < 0.4 * losses[0]
    clip = np.concatenate(
        [np.zeros(3200, np.float32), voices()[4].samples, np.zeros(3200, np.float32)]
    )
    (answer,) = reading.read(network, prompter, [clip])
    assert prompter.text(answer).startswith("language English<asr_text>")


def test_the_rate_rises_once_and_falls_to_almost_nothing() -> None:
    rates = [training.rate_share(share / 100, 0.05) for share in range(101)]
    assert rates[0] == 0.0
    assert max(rates) == pytest.approx(1.0) == rates[5]
    assert rates[:6] == sorted(rates[:6])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert 0.0 < rates[-1] < 0.01
