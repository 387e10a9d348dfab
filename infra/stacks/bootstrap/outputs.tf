output "backend" {
  description = "The S3 backend's configuration for stacks/platform; its key is <profile>/terraform.tfstate."
  value = {
    bucket       = aws_s3_bucket.state.id
    region       = var.region
    encrypt      = true
    kms_key_id   = aws_kms_key.this.arn
    use_lockfile = true
  }
}

output "repository_urls" {
  description = "Where to push each image, by name."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "repository_arns" {
  description = "ARN of each repository, for the roles that pull."
  value       = { for name in var.repositories : name => "arn:${var.partition}:ecr:${var.region}:${var.account_id}:repository/${var.project}/${name}" }
}

output "kms_key_arn" {
  description = "Key of the state and the images."
  value       = aws_kms_key.this.arn
}
