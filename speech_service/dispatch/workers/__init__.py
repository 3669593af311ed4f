"""A scheduler in another process, behind the same protocol: protobuf over a unix socket."""

from speech_service.dispatch.workers.submitter import RemoteStats, RemoteSubmitter
from speech_service.domain.models import WorkerState

__all__ = ["RemoteStats", "RemoteSubmitter", "WorkerState"]
