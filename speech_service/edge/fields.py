"""Where the options of a message are on the wire: the one way from what the domain names to field paths.

Below ``edge`` an error names an option (see ``domain/errors.py``). Beside each converter stands a ``Fields`` that says
where its options are. It is applied where errors and warnings leave: to what is raised, to acks, to ends of contexts.
"""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor

from speech_service.domain.errors import (
    InvalidFieldError,
    InvalidOptionError,
    LimitExceededError,
    PreconditionError,
    SpeechError,
    UnexpectedInputError,
)

_NAME = re.compile(r"\w*")


@dataclass(frozen=True, slots=True)
class Fields:
    """Paths of options by their names. What is inside an option is inside its field: ``lexicon[2].term``."""

    paths: Mapping[str, str]

    @staticmethod
    def of(config: Descriptor, path: str, **others: str) -> "Fields":
        """Options named as the fields of ``config``, a message at ``path``, and ``others`` with paths of their own."""
        return Fields({**{f.name: f"{path}.{f.name}" for f in config.fields}, **others})

    def path(self, option: str) -> str:
        """The field of an option; an option without one stays as it is."""
        name = _NAME.match(option)
        assert name is not None, "the pattern matches everything"
        found = self.paths.get(name[0])
        return option if found is None else found + option[name.end() :]

    def error(self, error: SpeechError) -> SpeechError:
        """The error in terms of the wire."""
        match error:
            case UnexpectedInputError():
                path = error.option
            case InvalidOptionError():
                path = self.path(error.option)
            case PreconditionError(subject=subject) if self.path(subject) != subject:
                return PreconditionError(self.path(subject), error.message, reason=error.reason)
            case _:
                return error
        return InvalidFieldError(
            path, error.problem, error.allowed, reason=error.reason, metadata=error.metadata
        )

    @contextmanager
    def named(self) -> Generator[None]:
        """Raise on the errors of the block in terms of the wire."""
        try:
            yield
        except SpeechError as error:
            raise self.error(error) from error.__cause__


def limit_exceeded(
    field: str, limit_name: str, limit: float, problem: str = ""
) -> InvalidFieldError:
    """What a field holds is above a limit; as ``LimitExceededError``, of a field that ``edge`` itself looks at."""
    error = LimitExceededError(field, limit_name, limit, problem)
    return InvalidFieldError(
        field, error.problem, error.allowed, reason=error.reason, metadata=error.metadata
    )
