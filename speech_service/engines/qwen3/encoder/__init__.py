"""The audio encoder on several runtimes."""
