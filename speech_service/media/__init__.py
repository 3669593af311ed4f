"""Audio in: raw PCM, containers decoded out of process, resampling, fixed frames. Knows nothing of
gRPC or models.
"""
