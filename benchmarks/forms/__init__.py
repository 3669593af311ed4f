"""Sentences with written forms that no rule was made for, and every way to read them."""
