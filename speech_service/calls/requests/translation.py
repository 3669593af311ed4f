"""What a client asks of translation: every option is honoured, refused by name, or (lenient) warned of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from speech_service.calls.model_catalog import ModelCatalog
from speech_service.calls.requests.options import inside, unsupported
from speech_service.calls.requests.synthesis import (
    SynthesisRequest,
    SynthesisRequests,
    WantedSynthesis,
    sentence_pause_ms,
)
from speech_service.calls.translation_routes import TARGETS, TranslationRoutes
from speech_service.config.tree import TranslationConfig
from speech_service.domain.errors import (
    InvalidOptionError,
    LimitExceededError,
    SpeechError,
)
from speech_service.domain.events import StreamWarning
from speech_service.domain.models import Capability, ModelCapabilities
from speech_service.domain.translation import GlossaryEntry, IgnoredOption, TranslationRoute
from speech_service.text import bcp47

MAX_CONTEXT_CHARACTERS = 10_000
MAX_GLOSSARY_ENTRIES = 500
MAX_TERM_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTranslation:
    """What a client wrote. Empty, or None: the server decides, or it is not wanted."""

    model: str = ""
    source_language: str = ""
    target_languages: Sequence[str] = ()
    glossary: Sequence[GlossaryEntry] = field(default=(), repr=False)
    context: str = field(default="", repr=False)
    partials: bool = False
    sentence_pause_ms: float | None = None
    synthesis: WantedSynthesis | None = None
    """How translations are spoken."""
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class TranslationRequest:
    """What was asked for, checked."""

    wanted: WantedTranslation
    source: str
    """Empty: it is identified."""
    targets: tuple[str, ...]
    glossary: tuple[GlossaryEntry, ...] = field(repr=False)
    context: str = field(repr=False)
    routes: TranslationRoutes
    sentence_pause_ms: int = 0
    model: str = ""
    """That serves the first pair, as far as it is known."""
    spoken: Mapping[str, SynthesisRequest] = field(default_factory=dict[str, SynthesisRequest])
    """How each target is spoken; empty: not at all."""
    warnings: tuple[StreamWarning, ...] = ()

    def route(self, source: str, target: str) -> TranslationRoute:
        """Who translates the pair, with what of the request.

        Raises:
            UnsupportedOptionError: the model lacks the pair, or an option and the request is strict.
            PreconditionError: nobody has the pair.
        """
        option = f"{TARGETS}[{self.targets.index(target)}]"
        return self.served_by(self.routes.find(source, target, option, guessed=not self.source))

    def served_by(self, model: ModelCapabilities) -> TranslationRoute:
        """What the model heeds of the request.

        Raises:
            UnsupportedOptionError: the model lacks an option, and the request is strict.
        """
        glossary: list[GlossaryEntry] = []
        ignored: list[IgnoredOption] = []
        for index, entry in enumerate(self.glossary):
            wanted = Capability.DO_NOT_TRANSLATE if entry.do_not_translate else Capability.GLOSSARY
            missing = self._missing(model, wanted, f"glossary[{index}]")
            ignored += missing
            glossary += [] if missing else [entry]
        lost = self._missing(model, Capability.CONTEXT_TEXT, "context") if self.context else []
        context = "" if lost else self.context
        return TranslationRoute(model.name, tuple(glossary), context, (*ignored, *lost))

    def _missing(
        self, model: ModelCapabilities, capability: Capability, option: str
    ) -> list[IgnoredOption]:
        """Nothing where the model has it; else an error, or in lenient mode what is ignored."""
        if capability in model.capabilities:
            return []
        nobody = "no model of the pair has it"
        error = unsupported(option, model, capability, self.routes.models, nobody)
        if not self.wanted.lenient:
            raise error
        return [IgnoredOption(option, error.problem)]


class TranslationRequests:
    """Checks requests against the models and fills in the server's defaults."""

    def __init__(
        self, catalog: ModelCatalog, config: TranslationConfig, synthesis: SynthesisRequests
    ) -> None:
        self._catalog = catalog
        self.limits = config
        self._synthesis = synthesis

    def check(self, wanted: WantedTranslation) -> TranslationRequest:
        """The request that can be carried out; how it is spoken is ``with_speech``'s to check.

        Raises:
            InvalidOptionError: an option is missing or out of range.
            UnsupportedOptionError: the model lacks it, and the request is strict.
            PreconditionError: no model has a pair.
            ResourceNotFoundError: unknown model.
        """
        source = wanted.source_language
        source = bcp47.normalize(source, "source_language") if source else ""
        targets = self._targets(wanted.target_languages, source)
        if len(wanted.context) > MAX_CONTEXT_CHARACTERS:
            raise LimitExceededError("context", "max_context_characters", MAX_CONTEXT_CHARACTERS)
        routes = TranslationRoutes(self._catalog, wanted.model, self.limits.default_model)
        request = TranslationRequest(
            wanted,
            source,
            targets,
            _glossary(wanted.glossary, targets),
            wanted.context.strip(),
            routes,
            sentence_pause_ms(wanted.sentence_pause_ms),
        )
        found = [_first_route(request, index) for index in range(len(targets))]
        warnings = dict.fromkeys(warning for route in found for warning in ignored_warnings(route))
        return replace(request, model=found[0].model, warnings=tuple(warnings))

    async def with_speech(self, request: TranslationRequest) -> TranslationRequest:
        """The request with how each target is spoken, where it is to be.

        Raises:
            SpeechError: as ``SynthesisRequests``; or a voice does not speak a target.
        """
        wanted = request.wanted.synthesis
        if wanted is None:
            return request
        await self._synthesis.refresh(wanted.tenant)
        spoken: dict[str, SynthesisRequest] = {}
        for index, target in enumerate(request.targets):
            language = wanted.language
            if language and not bcp47.serves(language, target):
                problem = f"{language[:64]!r} is not the target {target}"
                allowed = "nothing, or the one target"
                raise InvalidOptionError("synthesis.language", problem, allowed)
            try:
                checked = self._synthesis.check(replace(wanted, language=language or target))
                spoken[target] = await self._synthesis.with_voice(checked)
            except SpeechError as error:
                places = {"language": f"{TARGETS}[{index}]"}
                raise inside(error, "synthesis", places) from error.__cause__
        told = [*request.warnings, *(w for each in spoken.values() for w in each.warnings)]
        return replace(request, spoken=spoken, warnings=tuple(dict.fromkeys(told)))

    def _targets(self, codes: Sequence[str], source: str) -> tuple[str, ...]:
        if not codes:
            raise InvalidOptionError(TARGETS, "is empty", "at least one BCP-47 code")
        if len(codes) > self.limits.max_targets:
            raise LimitExceededError(TARGETS, "max_targets", self.limits.max_targets)
        targets: list[str] = []
        for index, code in enumerate(codes):
            option = f"{TARGETS}[{index}]"
            target = bcp47.normalize(code, option)
            if target in targets:
                raise InvalidOptionError(option, f"{target} is there twice", "each target once")
            if target == source:
                raise InvalidOptionError(option, f"{target} is the source language too", "another")
            targets.append(target)
        return tuple(targets)


def ignored_warnings(route: TranslationRoute) -> list[StreamWarning]:
    """What a client is told of options that its model cannot heed."""
    return [StreamWarning("OPTION_IGNORED", each.option, each.problem) for each in route.ignored]


def _first_route(request: TranslationRequest, index: int) -> TranslationRoute:
    """What can be known now of who translates into a target."""
    target = request.targets[index]
    if request.source:
        return request.route(request.source, target)
    return request.served_by(request.routes.into(target, f"{TARGETS}[{index}]")[0])


def _glossary(
    entries: Sequence[GlossaryEntry], targets: Sequence[str]
) -> tuple[GlossaryEntry, ...]:
    if len(entries) > MAX_GLOSSARY_ENTRIES:
        raise LimitExceededError("glossary", "max_glossary_entries", MAX_GLOSSARY_ENTRIES)
    return tuple(
        _entry(entry, f"glossary[{index}]", targets) for index, entry in enumerate(entries)
    )


def _entry(entry: GlossaryEntry, option: str, targets: Sequence[str]) -> GlossaryEntry:
    if not entry.source.strip():
        raise InvalidOptionError(f"{option}.source", "is blank", "a term")
    for name, term in (("source", entry.source), ("target", entry.target)):
        if len(term) > MAX_TERM_CHARACTERS:
            raise LimitExceededError(f"{option}.{name}", "max_term_characters", MAX_TERM_CHARACTERS)
    if entry.do_not_translate and entry.target:
        allowed = "one of the two"
        raise InvalidOptionError(f"{option}.target", "is set with do_not_translate", allowed)
    if not entry.do_not_translate and not entry.target.strip():
        allowed = "a translation, or do_not_translate"
        raise InvalidOptionError(f"{option}.target", "is blank", allowed)
    language = entry.target_language
    if language:
        language = bcp47.normalize(language, f"{option}.target_language")
        if not any(bcp47.serves(language, target) for target in targets):
            problem = f"{language} is no target"
            raise InvalidOptionError(f"{option}.target_language", problem, ", ".join(targets))
    return GlossaryEntry(
        entry.source.strip(), entry.target.strip(), language, entry.do_not_translate
    )
