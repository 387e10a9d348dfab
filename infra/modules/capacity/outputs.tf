output "capacity_provider_name" {
  description = "Name of the capacity provider; attach it through module cluster."
  value       = aws_ecs_capacity_provider.this.name
}

output "asg_name" {
  description = "Name of the Auto Scaling group."
  value       = aws_autoscaling_group.this.name
}

output "instance_role_arn" {
  description = "ARN of the instances' role."
  value       = aws_iam_role.instance.arn
}

output "instance_role_name" {
  description = "Name of the instances' role."
  value       = aws_iam_role.instance.name
}

output "launch_template_id" {
  description = "Id of the launch template."
  value       = aws_launch_template.this.id
}

output "instance_type" {
  description = "Instance type of the pool."
  value       = var.instance_type
}

output "max" {
  description = "Greatest number of instances."
  value       = var.max
}
