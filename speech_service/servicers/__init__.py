"""The gRPC edge: protobuf in, domain values inside, protobuf out. One file per service."""
