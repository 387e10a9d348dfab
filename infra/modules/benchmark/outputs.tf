output "results_bucket" {
  description = "Bucket of the results."
  value       = aws_s3_bucket.results.bucket
}

output "results_prefix" {
  description = "Prefix below which the generator writes."
  value       = local.prefix
}

output "results_key_arn" {
  description = "Key that the results are encrypted with."
  value       = aws_kms_key.results.arn
}

output "generator" {
  description = "The generator: what starting it needs."
  value = {
    task_family         = module.generator.task_family
    task_definition_arn = module.generator.task_definition_arn
    task_role_arn       = module.generator.task_role_arn
    container_name      = module.generator.container_name
    log_group           = module.generator.log_group
    group_id            = module.generator.group_id
    capacity_provider   = var.capacity_provider
  }
}

output "worker" {
  description = "The worker service."
  value = {
    service_name        = module.worker.service_name
    task_family         = module.worker.task_family
    task_definition_arn = module.worker.task_definition_arn
    task_role_arn       = module.worker.task_role_arn
    container_name      = module.worker.container_name
    log_group           = module.worker.log_group
    group_id            = module.worker.group_id
    planned_count       = module.worker.planned_count
    capacity_provider   = var.capacity_provider
  }
}
