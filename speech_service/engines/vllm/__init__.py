"""Backends that ask a running vLLM or vLLM-Omni server."""
