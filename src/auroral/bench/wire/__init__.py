"""Over the public gRPC API itself: what generators call with either engine, and the wire engine's workers."""
