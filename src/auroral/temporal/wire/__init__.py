"""A lean gRPC client for Temporal's public API: unary calls over HTTP/2, on the event loop's own thread.

Why it is our own: [decision 11](../../../../docs/decisions/0011-wire-transport.md).
"""
