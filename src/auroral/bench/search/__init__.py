"""The search for the largest rate that a cluster sustains: `auroral bench search`."""
