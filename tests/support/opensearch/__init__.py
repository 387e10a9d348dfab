"""A real OpenSearch for tests, from Maven's artifacts, with the security plugin where a test asks for it."""
