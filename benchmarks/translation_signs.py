"""Signs in translations: how many of 300 texts with numbers, placeholders and code lose one, told and untold.

A text loses something when a piece that means the same in every language is not in its translation: letter by letter,
but for numbers, which may be grouped and pointed as the other language does it. It is told where the reply has the
warning CONTENT_CHANGED.

Target: no text loses anything without a warning.
"""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import grpc.aio

from benchmarks import harness
from benchmarks.results import Run
from benchmarks.stats import Figure
from benchmarks.translation_texts import Case, cases, fresh_cases, is_kept
from speech.v1 import translation_service_pb2 as pb
from speech.v1 import translation_service_pb2_grpc

TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a text."""

    case: Case
    translation: str
    is_told: bool

    @property
    def lost(self) -> list[str]:
        """Pieces that are not in the translation."""
        return [keep for keep in self.case.keeps if not is_kept(keep, self.translation)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--fresh", action="store_true", help="160 texts of other values instead")
    parser.add_argument(
        "--target", default="", help="address of a running server; empty: one is started"
    )


def run(args: argparse.Namespace) -> None:
    """Measure and write ``translation_signs.json``."""
    record = Run("translation_signs_fresh" if args.fresh else "translation_signs", args)
    every = fresh_cases() if args.fresh else cases()
    texts = every[::10] if args.quick else every
    begin_s = time.monotonic()
    if args.target:
        answers = asyncio.run(translated(args.target, texts))
    else:
        with harness.Server(harness.Setup(), "translation_signs") as server:
            answers = asyncio.run(translated(server.target, texts))
    wall_s = time.monotonic() - begin_s
    lost = [answer for answer in answers if answer.lost]
    untold = [answer for answer in lost if not answer.is_told]
    figures = [
        Figure("texts that lose something", "texts", (float(len(lost)),)),
        Figure("of them without a warning", "texts", (float(len(untold)),), target=0.0),
        Figure("texts with a warning", "texts", (float(sum(a.is_told for a in answers)),)),
    ]
    kinds = Counter(case.kind for case in texts)
    settings = {
        "texts": len(texts),
        "calls": "TranslateText, one text each, source language given",
        "wall_s": round(wall_s, 1),
    }
    detail = {
        "lost_by_kind": {k: sum(a.case.kind == k for a in lost) for k in kinds},
        "untold_by_kind": {k: sum(a.case.kind == k for a in untold) for k in kinds},
        "lost": [
            {"text": a.case.text, "translation": a.translation, "lost": a.lost, "told": a.is_told}
            for a in lost
        ],
    }
    record.write(figures, settings, detail)


async def translated(target: str, texts: Sequence[Case]) -> list[Answer]:
    """Translate each text in a call of its own."""
    async with grpc.aio.insecure_channel(target) as channel:
        stub = translation_service_pb2_grpc.TranslationServiceStub(channel)
        answers: list[Answer] = []
        for case in texts:
            config = pb.TranslationConfig(
                source_language=case.source, target_languages=[case.target]
            )
            request = pb.TranslateTextRequest(config=config, text=case.text)
            reply = await stub.TranslateText(request, timeout=TIMEOUT_S)
            is_told = any(warning.reason == "CONTENT_CHANGED" for warning in reply.warnings)
            answers.append(Answer(case, reply.translations[0].text, is_told))
        return answers
