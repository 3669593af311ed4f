"""The confined process in which client files are decoded and replies encoded."""
