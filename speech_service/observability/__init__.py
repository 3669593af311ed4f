"""Metrics, traces and logs: the implementations of the observer protocols. The core imports none of these libraries."""
