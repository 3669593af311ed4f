"""Two engines as one: a small model answers partial results, the large one everything else."""

from collections.abc import Sequence

from speech_service.domain.models import ModelCapabilities
from speech_service.domain.work import RecognizeKind, RecognizeWork, Work, WorkEvent
from speech_service.protocols import Engine


class Tiers:
    """Implements ``protocols.Engine``; the kind of the work selects the tier."""

    def __init__(self, capabilities: ModelCapabilities, finals: Engine, partials: Engine) -> None:
        self._capabilities = capabilities
        self._finals = finals
        self._partials = partials

    @property
    def capabilities(self) -> ModelCapabilities:
        """Those of the model as a whole."""
        return self._capabilities

    def admit(self, work: Work) -> None:
        """Give it to its tier."""
        assert isinstance(work, RecognizeWork), "the scheduler sends a model its own kind of work"
        is_partial = work.kind is RecognizeKind.PARTIAL
        (self._partials if is_partial else self._finals).admit(work)

    def step(self) -> Sequence[WorkEvent]:
        """Finals first: someone waits for them."""
        return [*self._finals.step(), *self._partials.step()]

    def abort(self, work_id: str) -> None:
        """Forget it in either tier."""
        self._finals.abort(work_id)
        self._partials.abort(work_id)
