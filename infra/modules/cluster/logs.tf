resource "aws_cloudwatch_log_group" "exec" {
  #checkov:skip=CKV_AWS_338:Sessions are kept as long as log_retention_days says; a year is the caller's choice.
  name              = "/ecs/${var.project}/exec"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.logs.arn
}

# Container Insights makes this group itself, without key and for a day, where it is not there before the cluster.
resource "aws_cloudwatch_log_group" "insights" {
  #checkov:skip=CKV_AWS_338:Performance events are kept as long as log_retention_days says; a year is the caller's choice.
  count = var.container_insights == "disabled" ? 0 : 1

  name              = "/aws/ecs/containerinsights/${var.project}/performance"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.logs.arn
}
