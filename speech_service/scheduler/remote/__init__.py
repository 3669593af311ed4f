"""A scheduler in another process, behind the same protocol: protobuf over a unix socket."""

from speech_service.domain.models import WorkerState
from speech_service.scheduler.remote.submitter import RemoteStats, RemoteSubmitter

__all__ = ["RemoteStats", "RemoteSubmitter", "WorkerState"]
