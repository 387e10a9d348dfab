"""Shells, commands and ports in tasks, by Session Manager."""
