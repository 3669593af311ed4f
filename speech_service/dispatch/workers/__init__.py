"""A scheduler in another process, behind the same protocol: frames over a socket pair."""

from speech_service.dispatch.workers.submitter import RemoteStats, RemoteSubmitter
from speech_service.domain.models import WorkerState

__all__ = ["RemoteStats", "RemoteSubmitter", "WorkerState"]
