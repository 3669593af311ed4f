"""A worker process: engines and their scheduler behind the connection to a front end.

``python -m speech_service.worker`` is started by ``dispatch/workers/process.py`` and by nothing else. Files:
``process`` (composition root), ``service`` (the connection), ``run_stream`` (its work), ``answers`` (questions beside
the work), ``audio_store`` (segment audio under a budget), ``journal`` (what runs now, for a post-mortem), ``telemetry``
(metrics until the next heartbeat).
"""
