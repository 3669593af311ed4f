"""A gRPC-native streaming speech service."""

__version__ = "0.1.0"
