"""What is said of a reason of errors."""

from dataclasses import dataclass

from speech_service.domain import errors

_ENDED_CALLS = (errors.StreamAbortedError, errors.DeadlineError, errors.CancelledWorkError)


@dataclass(frozen=True, slots=True)
class ErrorReason:
    """A reason of an error (``ErrorInfo.reason``).

    Attributes:
        error: a type that carries it, which decides the gRPC code.
        where: RPCs or fields that can get it.
    """

    name: str
    error: type[errors.SpeechError]
    where: str
    meaning: str
    remedy: str

    @property
    def retry(self) -> str:
        """Whether the same request may succeed when it is sent again."""
        if issubclass(self.error, errors.RetryableError):
            return "yes, after the delay in `RetryInfo`"
        return "yes, on a new call" if issubclass(self.error, _ENDED_CALLS) else "no"
