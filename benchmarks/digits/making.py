"""Train the target and the draft, and write them as release checkpoints."""

import argparse
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks import results
from benchmarks.digits import corpus, model, release, tokens, training
from benchmarks.digits.batches import Batches
from benchmarks.digits.mixing import Mixer
from benchmarks.results import console

_VOICE_STRINGS = 1000
_VOICE_SEED = 1
_QUICK_HOURS = 0.05
_LINES = 50


@dataclass(frozen=True, slots=True)
class Plan:
    """One model: its size, how it learns, and the seed of its weights and its strings."""

    size: model.Size
    recipe: training.Recipe
    seed: int


PLANS = {
    "target": Plan(model.TARGET, training.Recipe(audio_hours=90.0), seed=1),
    "draft": Plan(model.DRAFT, training.Recipe(audio_hours=48.0), seed=2),
}


def run(args: argparse.Namespace) -> None:
    """Train what the command line names.

    Raises:
        DataMissingError: the recordings are not there.
    """
    # torch says of every normalisation under autocast that its fused kernel cannot be used.
    warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
    torch.set_num_threads(args.threads)
    recordings = corpus.load(args.data).training
    voice = list(corpus.speak(_VOICE_STRINGS, _VOICE_SEED))
    for name, plan in PLANS.items():
        if args.only in (None, name):
            _make(name, plan, [*recordings, *voice], args)


def _make(
    name: str, plan: Plan, utterances: list[corpus.Utterance], args: argparse.Namespace
) -> None:
    torch.manual_seed(plan.seed)
    recipe = plan.recipe if not args.quick else training.Recipe(audio_hours=_QUICK_HOURS)
    tokenizer = tokens.build()
    prompter = tokens.Prompter(tokenizer)
    config = model.config(plan.size, _rows(tokenizer.get_vocab_size()), model.special_ids(prompter))
    network = model.DigitsModel(config)
    mixer = Mixer(utterances, plan.seed)
    batches = Batches(mixer, prompter, network.encoder.shape, recipe.batch_s, plan.seed)
    with _bar() as bar:
        outcome = training.train(network, batches, recipe, _report(bar, name))
    folder = Path(args.models) / name
    release.write(folder, network, config, tokenizer)
    record = {
        "recipe": asdict(recipe),
        "size": asdict(plan.size),
        "seed": plan.seed,
        "parameters": sum(tensor.numel() for tensor in release.tensors(network).values()),
        "outcome": asdict(outcome),
        "threads": args.threads,
        "machine": results.cpu_model(),
        "torch": torch.__version__,
    }
    (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    console.print(f"{name}: {outcome.cpu_s / 60:.1f} CPU minutes, written to {folder}")


def _rows(tokens: int) -> int:
    """Rows of an embedding for so many tokens, a multiple of 64."""
    return -(-tokens // 64) * 64


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _report(bar: Progress, name: str) -> Callable[[training.Progress], None]:
    """Move the bar; a log without a terminal gets a line for each part of the way."""
    task = bar.add_task(name, total=1.0, loss=float("nan"))
    told = 0

    def report(progress: training.Progress) -> None:
        nonlocal told
        bar.update(task, completed=progress.share, loss=progress.loss)
        if not console.is_terminal and int(progress.share * _LINES) > told:
            told = int(progress.share * _LINES)
            console.print(f"{name}: {progress.share:.0%}, loss {progress.loss:.4f}")

    return report
