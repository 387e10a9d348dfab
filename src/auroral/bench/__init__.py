"""Load any Temporal cluster and say what it carried."""
