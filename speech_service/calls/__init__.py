"""What a call is, whatever wire it came by: its session, its driver, its audio in and out. No gRPC, no protobuf."""
