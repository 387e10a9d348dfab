"""Connect to a Temporal cluster; find, build or start a local one."""
