"""The proof that a deployment works."""
