output "workspace_id" {
  description = "Id of the workspace."
  value       = aws_prometheus_workspace.this.id
}

output "workspace_arn" {
  description = "ARN of the workspace."
  value       = aws_prometheus_workspace.this.arn
}

output "query_url" {
  description = "URL of the workspace, as Grafana takes it; below it is Prometheus' API."
  value       = aws_prometheus_workspace.this.prometheus_endpoint
}

output "remote_write_url" {
  description = "URL that the collector writes to."
  value       = "${aws_prometheus_workspace.this.prometheus_endpoint}api/v1/remote_write"
}

output "collector_parameter_name" {
  description = "Parameter of SSM that holds the collector's configuration."
  value       = aws_ssm_parameter.collector.name
}

output "collector_parameter_arn" {
  description = "ARN of that parameter."
  value       = "arn:${var.partition}:ssm:${var.region}:${var.account_id}:parameter${aws_ssm_parameter.collector.name}"
}

output "log_group" {
  description = "Log group of the workspace."
  value       = aws_cloudwatch_log_group.this.name
}
