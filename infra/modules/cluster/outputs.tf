output "arn" {
  description = "ARN of the cluster."
  value       = aws_ecs_cluster.this.arn
}

output "name" {
  description = "Name of the cluster."
  value       = aws_ecs_cluster.this.name
}

output "namespace_arn" {
  description = "ARN of the Service Connect namespace."
  value       = aws_service_discovery_http_namespace.this.arn
}

output "namespace_name" {
  description = "Name of the Service Connect namespace."
  value       = aws_service_discovery_http_namespace.this.name
}

output "dns_namespace_id" {
  description = "Id of the private DNS namespace: standalone tasks resolve services there, since Service Connect serves only tasks of services."
  value       = aws_service_discovery_private_dns_namespace.this.id
}

output "dns_namespace_name" {
  description = "Name of the private DNS namespace."
  value       = aws_service_discovery_private_dns_namespace.this.name
}

output "capacity_providers" {
  description = "The attached capacity providers by pool: a service that takes its provider from here waits for the attachment."
  value       = var.capacity_providers
  depends_on  = [aws_ecs_cluster_capacity_providers.this]
}

output "log_kms_key_arn" {
  description = "Key of every log group whose name has /<project>/ in it, and of ECS Exec's sessions."
  value       = aws_kms_key.logs.arn
}

output "exec_log_group" {
  description = "Log group of ECS Exec's sessions."
  value       = aws_cloudwatch_log_group.exec.name
}
