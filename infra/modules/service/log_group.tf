resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:Logs are kept as long as log_retention_days says; a year is the caller's choice.
  name              = "/ecs/${var.project}/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn
}

locals {
  log_group_arn      = "arn:${var.partition}:logs:${var.region}:${var.account_id}:log-group:/ecs/${var.project}/${var.name}:*"
  exec_log_group_arn = "arn:${var.partition}:logs:${var.region}:${var.account_id}:log-group:${var.exec_log_group}:*"
}
