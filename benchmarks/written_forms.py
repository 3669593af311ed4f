"""Written forms: 300 sentences with numbers, money, dates and codes; how many the embedded voice would read wrong.

Nothing is spoken: the sounds that the voice would make of a sentence are compared with those of the same sentence in
words. ``--say TEXT`` prints what would be said for a text, in words and in the voice's sounds, and measures nothing.
Beside them stand sentences that grammars make from ``--seed`` (``forms/``); there each
way of reading that people use is right. Then sets of sentences of everyday text (``forms/sets/``), each written before
its forms had rules: rules were made for what the others read wrong, none for ``held_out``, whose share is what a text
that nobody has tried meets with.

Target: 2 % read wrong.
"""

import argparse
import re
import time
from collections import Counter
from collections.abc import Sequence

from benchmarks.forms import common, letters, rarer, sets
from benchmarks.results import Run, console
from benchmarks.stats import Figure
from benchmarks.written_texts import sentences
from speech_service.engines import hibari
from speech_service.engines.hibari.phonemes import SYMBOLS
from speech_service.engines.hibari.reading import PhonemeReader, load_g2p
from speech_service.text.english.normalize import normalize

WRONG_TARGET = 2.0
_PUNCTUATION = ' ;:,.!?—…"()“”'
_UNHEARD = str.maketrans("", "", "ˈˌ" + _PUNCTUATION)
_INITIALS = re.compile(r"\b(?:[A-Za-z]\.){1,16}[A-Za-z]\b")
_NUMBER_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[a-z]{3,6}teen|[a-z]{3,5}ty"
)
_AND = re.compile(rf"(?<=hundred) and (?=(?:{_NUMBER_WORDS})\b)")
MOST_WAYS = 300
_LETTERS = re.compile(r"\b[A-Z](?: [A-Z]){1,40}s?\b")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--seed", type=int, default=1, help="of the sentences made by grammars")
    parser.add_argument("--say", metavar="TEXT", help="print what would be said, and do no more")


def run(args: argparse.Namespace) -> None:
    """Measure and write ``written_forms.json``, or print what would be said."""
    if args.say is not None:
        console.print(normalize(args.say), markup=False, highlight=False)
        console.print(reader().read(args.say, {}).phonemes, markup=False, highlight=False)
        return
    record = Run("written_forms", args)
    voice = reader()
    began = time.process_time()
    wrong = count(voice)
    cpu_ms = (time.process_time() - began) * 1000
    total = len(list(sentences()))
    figures = [
        Figure("read wrong", "%", [100 * len(wrong) / total], WRONG_TARGET),
        Figure("reading, with sounds", "CPU ms / sentence", [cpu_ms / total / 2]),
    ]
    made = [list(forms.sentences(args.seed)) for forms in (common, rarer, letters)]
    made += [list(sets.sentences(name)) for name in sets.NAMES]
    misread = [misread_of(voice, sentences) for sentences in made]
    for label, of, missed in zip(
        ("made", "made, rarer kinds", "as in letters", *map(sets.label, sets.NAMES)),
        made,
        misread,
        strict=True,
    ):
        share = 100 * len(missed) / len(of)
        figures.append(Figure(f"read wrong, {len(of)} {label}", "%", [share], WRONG_TARGET))
    kinds = Counter(kind for kind, _, _ in sentences())
    settings = {"sentences": total, "kinds": dict(kinds), "seed": args.seed}
    record.write(figures, settings, {"wrong": wrong, "made_wrong": misread})


def reader() -> PhonemeReader:
    """What reads for the embedded voice."""
    return PhonemeReader(load_g2p(), SYMBOLS | frozenset(_PUNCTUATION), hibari.HibariOptions())


def count(voice: PhonemeReader) -> list[dict[str, str]]:
    """The sentences that sound otherwise than their words."""
    return [
        {"kind": kind, "written": written, "words": said}
        for kind, written, said in sentences()
        if heard(voice, written) != heard(voice, said)
    ]


def misread_of(
    voice: PhonemeReader, made: Sequence[tuple[str, str, list[str]]]
) -> list[dict[str, str]]:
    """Those that are read in none of their ways, by their words and by their sounds."""
    wrong: list[dict[str, str]] = []
    for kind, written, ways in made:
        said = normalize(written)
        if spoken_words(said) in map(spoken_words, ways):
            continue
        sounds = heard(voice, plain(said))
        if all(heard(voice, plain(way)) != sounds for way in ways[:MOST_WAYS]):
            wrong.append({"kind": kind, "written": written, "said": said})
    return wrong


def spoken_words(text: str) -> list[str]:
    """The words of a reading; "and" inside a number may be said or not."""
    text = _INITIALS.sub(lambda match: match.group().replace(".", " "), text)
    return re.findall(r"\w+(?:'\w+)*", plain(text).casefold())


def plain(text: str) -> str:
    """Without the "and" and the hyphens of numbers."""
    return _AND.sub(" ", text.replace("-", " "))


def heard(voice: PhonemeReader, text: str) -> str:
    """Sounds of a text; how "to" and "the" sound depends on what follows them, stress on everything."""
    text = _LETTERS.sub(_joined, text)
    sounds = voice.read(text, {}).phonemes.translate(_UNHEARD)
    return sounds.replace("tʊ", "tə").replace("tu", "tə").replace("ði", "ðə")


def _joined(match: re.Match[str]) -> str:
    """Letters as the voice understands them; of several, such as "two C P Us", as they are written."""
    letters = match.group()
    return letters.replace(" ", "" if letters.endswith("s") else ".")
