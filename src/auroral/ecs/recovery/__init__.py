"""A cluster led out of a crash loop of its ring."""
