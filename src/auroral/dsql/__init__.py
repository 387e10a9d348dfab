"""Aurora DSQL from Python: its limits, tokens, connections, roles, membership, probe."""
