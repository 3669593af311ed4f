"""Audio of calls: where it comes from, and sessions that are fed with it."""
