"""Benchmarks inside the deployed cluster."""
