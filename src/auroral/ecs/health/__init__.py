"""What a deployment is like, and what is unhealthy about it."""
