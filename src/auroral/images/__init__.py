"""Container images: built, pushed to ECR, mirrored there, and named by digest."""
