"""Terraform around auroral: the contract of a deployment, plans and their properties."""
