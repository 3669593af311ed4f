"""A worker process: engines and their scheduler behind the internal service.

``python -m speech_service.worker --socket PATH`` is started by ``dispatch/workers/process.py`` and
by nothing else. Files: ``process`` (composition root), ``service`` (the RPCs), ``run_stream`` (one
Run stream), ``audio_store`` (segment audio under a budget), ``journal`` (what runs now, for a
post-mortem), ``telemetry`` (metrics until the next heartbeat).
"""
