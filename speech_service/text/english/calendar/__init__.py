"""How days, years, times of day and lengths of time are said."""
