"""The voices that a server has: those of its models and those that clients made."""
