"""Text cut into what is spoken or translated at once."""
