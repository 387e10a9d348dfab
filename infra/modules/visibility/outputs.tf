output "domain_name" {
  description = "Name of the domain."
  value       = aws_opensearch_domain.this.domain_name
}

output "domain_arn" {
  description = "ARN of the domain, for the policies of those who call it."
  value       = local.domain_arn
}

output "endpoint" {
  description = "Host name of the domain."
  value       = aws_opensearch_domain.this.endpoint
}

output "index" {
  description = "Index of the visibility store."
  value       = var.index
}

output "http_actions" {
  description = "What a role needs to send requests to the domain."
  value       = local.http_actions
}

output "instance_count" {
  description = "Data nodes."
  value       = var.instance_count
}

output "volume_gib" {
  description = "Disk of a data node in GiB."
  value       = var.volume_gib
}

output "log_groups" {
  description = "Log group of each kind of log."
  value       = { for kind, group in aws_cloudwatch_log_group.this : lower(kind) => group.name }
}
