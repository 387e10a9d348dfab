"""auroral: run Temporal on Amazon Aurora DSQL, and prove how much it carries."""

__version__ = "0.1.0"
