resource "aws_opensearch_domain" "this" {
  #checkov:skip=CKV_AWS_317:logs.tf publishes audit logs with the others; the check does not read dynamic blocks
  #checkov:skip=CKV_AWS_247:the caller's key where there is one; else aws/es encrypts it
  #checkov:skip=CKV_AWS_318:three data nodes over three zones lead themselves; dedicated_masters gives them leaders
  #checkov:skip=CKV2_AWS_59:three data nodes over three zones lead themselves; dedicated_masters gives them leaders
  domain_name     = local.domain_name
  engine_version  = var.engine_version
  access_policies = jsonencode({ Version = "2012-10-17", Statement = local.access_statements })

  cluster_config {
    instance_type                 = var.instance_type
    instance_count                = var.instance_count
    dedicated_master_enabled      = var.dedicated_masters
    dedicated_master_type         = var.dedicated_masters ? "m6g.large.search" : null
    dedicated_master_count        = var.dedicated_masters ? 3 : null
    zone_awareness_enabled        = true
    multi_az_with_standby_enabled = false

    zone_awareness_config {
      availability_zone_count = 3
    }
  }

  ebs_options {
    ebs_enabled = true
    volume_type = "gp3"
    volume_size = var.volume_gib
  }

  vpc_options {
    subnet_ids         = var.subnet_ids
    security_group_ids = [var.group_id]
  }

  encrypt_at_rest {
    enabled    = true
    kms_key_id = var.kms_key_arn
  }

  node_to_node_encryption {
    enabled = true
  }

  domain_endpoint_options {
    enforce_https       = true
    tls_security_policy = "Policy-Min-TLS-1-2-PFS-2023-10"
  }

  advanced_security_options {
    enabled                        = true
    anonymous_auth_enabled         = false
    internal_user_database_enabled = false

    master_user_options {
      master_user_arn = var.master_role_arn
    }
  }

  software_update_options {
    auto_software_update_enabled = true
  }

  dynamic "log_publishing_options" {
    for_each = aws_cloudwatch_log_group.this

    content {
      log_type                 = log_publishing_options.key
      cloudwatch_log_group_arn = log_publishing_options.value.arn
    }
  }

  tags = { Name = local.domain_name }

  # OpenSearch tries to write when logs are switched on.
  depends_on = [aws_cloudwatch_log_resource_policy.this]
}

locals {
  # At most 28 characters: "CreateDomain", OpenSearch Service API reference, read in November 2026.
  domain_name = "${var.project}-visibility"
  domain_arn  = "arn:${var.partition}:es:${var.region}:${var.account_id}:domain/${local.domain_name}"
}
