"""Performance of auroral itself: `python -m benchmarks`."""
