"""Models that run on another server: what every backend that asks one has in common."""
