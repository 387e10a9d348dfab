output "identifier" {
  description = "The cluster's id."
  value       = local.identifier
}

output "arn" {
  description = "The cluster's ARN, for the policies of those who connect."
  value       = local.arn
}

output "endpoint" {
  description = "The cluster's public host name."
  value       = local.endpoint
}

output "private_endpoint" {
  description = "The host name that leads to the private endpoint; tokens are signed for it."
  value       = local.private_endpoint
}

output "vpc_endpoint_id" {
  description = "The private endpoint."
  value       = aws_vpc_endpoint.this.id
}

output "limiter_table_name" {
  description = "The table of the distributed limiter."
  value       = aws_dynamodb_table.limiter.name
}

output "limiter_table_arn" {
  description = "ARN of the limiter's table."
  value       = local.limiter_table_arn
}

output "backup" {
  description = "Vault, plan and roles of AWS Backup; null without backups."
  value = var.backup.enabled ? {
    vault_name       = aws_backup_vault.this[0].name
    plan_id          = aws_backup_plan.this[0].id
    backup_role_arn  = aws_iam_role.backup["backup"].arn
    restore_role_arn = aws_iam_role.backup["restore"].arn
  } : null
}

output "budget" {
  description = "Every sum of the connection budget by name, as `auroral capacity plan` names it."
  value = { for sum in local.sums : sum.name => {
    total = sum.total
    limit = { connections = var.limits.connections, rate = var.limits.rate_per_s, burst = var.limits.burst }[sum.kind]
    text  = sum.text
  } }
}
