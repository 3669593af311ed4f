"""English written forms as they are said."""
