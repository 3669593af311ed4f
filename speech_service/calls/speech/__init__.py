"""Speech that a session makes, on its way to the client: encoded, counted, kept."""
