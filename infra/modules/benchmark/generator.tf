module "generator" {
  source = "../service"

  project      = var.project
  region       = var.region
  account_id   = var.account_id
  partition    = var.partition
  name         = "benchmark-generator"
  desired      = "task"
  cluster_arn  = var.cluster_arn
  cluster_name = var.cluster_name
  workload     = var.workload
  subnet_ids   = var.subnet_ids
  group_id     = var.generator_group_id

  image        = var.image
  command      = ["bench", "run"]
  cpu          = var.generator.cpu
  memory       = var.generator.memory
  environment  = local.generator_environment
  ports        = [{ name = "metrics", port = 9090 }]
  health_check = local.health_check

  task_policy_statements = [
    {
      sid       = "Results"
      actions   = ["s3:PutObject", "s3:AbortMultipartUpload"]
      resources = ["${local.bucket_arn}/${local.prefix}*"]
    },
    {
      sid       = "ResultsKey"
      actions   = ["kms:GenerateDataKey", "kms:Decrypt"]
      resources = [aws_kms_key.results.arn]
    },
  ]

  log_retention_days = var.log_retention_days
  log_kms_key_arn    = var.log_kms_key_arn
  exec_log_group     = var.exec_log_group
}
