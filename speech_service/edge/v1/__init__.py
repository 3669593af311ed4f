"""speech.v1: protobuf in, domain values inside, protobuf out."""
