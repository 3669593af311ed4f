"""Only what speaks a wire: gRPC, its ports, its services, and the one table of errors."""
