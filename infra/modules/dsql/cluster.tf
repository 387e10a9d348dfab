resource "aws_dsql_cluster" "this" {
  count = var.create ? 1 : 0

  deletion_protection_enabled = var.deletion_protection
  kms_encryption_key          = var.kms_key_arn

  tags = { Name = var.project }
}

locals {
  identifier   = var.create ? aws_dsql_cluster.this[0].identifier : var.existing.identifier
  arn          = var.create ? aws_dsql_cluster.this[0].arn : var.existing.arn
  service_name = var.create ? aws_dsql_cluster.this[0].vpc_endpoint_service_name : var.existing.vpc_endpoint_service_name
  endpoint     = var.create ? "${local.identifier}.dsql.${var.region}.on.aws" : var.existing.endpoint
}
