"""Temporal's visibility store on OpenSearch: index, template and role mappings."""
