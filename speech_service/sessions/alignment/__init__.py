"""The state machine behind Align and StreamingAlign."""
