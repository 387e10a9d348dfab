"""A production-shaped Temporal cluster on this machine; PostgreSQL, or a double of Aurora DSQL."""
