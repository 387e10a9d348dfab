resource "aws_prometheus_workspace" "this" {
  alias       = var.project
  kms_key_arn = var.kms_key_arn

  logging_configuration {
    log_group_arn = "${local.log_group_arn}:*"
  }

  tags = { Name = var.project }

  depends_on = [aws_cloudwatch_log_group.this]
}

# What rules and alert manager fail at.
resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:Logs are kept as long as log_retention_days says; a year is the caller's choice.
  name              = local.log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn
}

locals {
  # AWS services write to groups under /aws/vendedlogs/ by a resource policy that grows no longer with each of them.
  log_group     = "/aws/vendedlogs/${var.project}/prometheus"
  log_group_arn = "arn:${var.partition}:logs:${var.region}:${var.account_id}:log-group:${local.log_group}"
}
