"""The wire engine: workers that answer tasks over the public gRPC API, with the five built-in workloads only."""
