resource "aws_ssm_parameter" "collector" {
  #checkov:skip=CKV_AWS_337:a configuration without secrets, which credentials do not appear in
  #checkov:skip=CKV2_AWS_34:a configuration without secrets, which credentials do not appear in
  name        = local.collector_parameter
  description = "Configuration of the collector; a task reads it when it starts"
  type        = "String"
  tier        = length(var.collector_config) > 4096 ? "Advanced" : "Standard"
  value       = var.collector_config
}

locals {
  collector_parameter = "/${var.project}/collector"
}
