"""The command line: the only package that touches argv, terminal and exit status."""
