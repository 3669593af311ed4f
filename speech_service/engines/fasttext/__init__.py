"""fastText's language identifier."""
