"""CloudWatch logs of services, merged and followed."""
