"""The deployed cluster on Amazon ECS."""
