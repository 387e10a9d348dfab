output "service_name" {
  description = "Name of the service; none for a task."
  value       = one(aws_ecs_service.this[*].name)
}

output "task_family" {
  description = "Family of the task definitions."
  value       = aws_ecs_task_definition.this.family
}

output "task_definition_arn" {
  description = "The task definition that the last apply registered; the service runs it once it is deployed."
  value       = aws_ecs_task_definition.this.arn
}

output "task_role_arn" {
  description = "ARN of the task's role."
  value       = aws_iam_role.task.arn
}

output "task_role_name" {
  description = "Name of the task's role."
  value       = aws_iam_role.task.name
}

output "execution_role_arn" {
  description = "ARN of the role with which ECS starts the task."
  value       = aws_iam_role.execution.arn
}

output "log_group" {
  description = "Log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "container_name" {
  description = "Name of the container."
  value       = var.name
}

output "planned_count" {
  description = "Tasks that the plan foresees; 0 for a task."
  value       = var.desired == "service" ? var.planned_count : 0
}

output "group_id" {
  description = "Security group of its tasks."
  value       = var.group_id
}

output "ports" {
  description = "Ports by name."
  value       = { for it in var.ports : it.name => it.port }
}

output "dns_name" {
  description = "First label of its DNS name; none without dns."
  value       = one(aws_service_discovery_service.this[*].name)
}

output "memory_alarm_name" {
  description = "Alarm that rolls a deployment back; none for a task."
  value       = one(aws_cloudwatch_metric_alarm.memory[*].alarm_name)
}
