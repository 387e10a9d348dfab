mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  project          = "dev"
  region           = "us-east-1"
  account_id       = "123456789012"
  subnet_ids       = ["subnet-0a", "subnet-0b", "subnet-0c"]
  group_id         = "sg-opensearch"
  log_kms_key_arn  = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000000"
  master_role_arn  = "arn:aws:iam::123456789012:role/dev-visibility-setup-task"
  server_role_arns = ["arn:aws:iam::123456789012:role/dev-history-task", "arn:aws:iam::123456789012:role/dev-frontend-task"]
}

run "is_spread_over_three_zones_and_encrypted" {
  assert {
    condition = (
      one(aws_opensearch_domain.this.cluster_config).instance_type == "m6g.large.search" && one(aws_opensearch_domain.this.cluster_config).instance_count == 3
      && one(aws_opensearch_domain.this.cluster_config).zone_awareness_enabled && one(one(aws_opensearch_domain.this.cluster_config).zone_awareness_config).availability_zone_count == 3
    )
    error_message = "Three data nodes over three zones."
  }

  assert {
    condition     = one(aws_opensearch_domain.this.vpc_options).subnet_ids == toset(var.subnet_ids) && one(aws_opensearch_domain.this.vpc_options).security_group_ids == toset(["sg-opensearch"])
    error_message = "The domain stands in the private subnets, behind its own group."
  }

  assert {
    condition     = one(aws_opensearch_domain.this.encrypt_at_rest).enabled && one(aws_opensearch_domain.this.node_to_node_encryption).enabled
    error_message = "Disks and nodes are encrypted."
  }

  assert {
    condition     = one(aws_opensearch_domain.this.domain_endpoint_options).enforce_https && one(aws_opensearch_domain.this.domain_endpoint_options).tls_security_policy == "Policy-Min-TLS-1-2-PFS-2023-10"
    error_message = "Only TLS 1.2 and later."
  }

  assert {
    condition = (
      one(aws_opensearch_domain.this.advanced_security_options).enabled && !one(aws_opensearch_domain.this.advanced_security_options).internal_user_database_enabled
      && one(one(aws_opensearch_domain.this.advanced_security_options).master_user_options).master_user_arn == var.master_role_arn
    )
    error_message = "Fine-grained access, with an IAM role as its master and no passwords."
  }

  assert {
    condition = (
      jsondecode(aws_opensearch_domain.this.access_policies).Statement[0].Principal.AWS == concat([var.master_role_arn], var.server_role_arns)
      && jsondecode(aws_opensearch_domain.this.access_policies).Statement[0].Resource == "arn:aws:es:us-east-1:123456789012:domain/dev-visibility/*"
      && length(jsondecode(aws_opensearch_domain.this.access_policies).Statement) == 1
    )
    error_message = "Only the servers and the visibility task may send requests."
  }

  assert {
    condition     = !anytrue([for action in jsondecode(aws_opensearch_domain.this.access_policies).Statement[0].Action : strcontains(action, "*")])
    error_message = "Requests alone: nothing that changes the domain."
  }

  assert {
    condition     = toset(aws_opensearch_domain.this.log_publishing_options[*].log_type) == toset(["ES_APPLICATION_LOGS", "INDEX_SLOW_LOGS", "SEARCH_SLOW_LOGS", "AUDIT_LOGS"])
    error_message = "Every kind of log is published."
  }

  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.retention_in_days == 30 && group.kms_key_id == var.log_kms_key_arn && strcontains(group.name, "/dev/")])
    error_message = "Its logs have a retention, and the key of the cluster's logs, which wants /<project>/ in their names."
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_log_resource_policy.this.policy_document).Statement[0].Condition.ArnLike["aws:SourceArn"] == output.domain_arn
    error_message = "This domain alone may write its logs."
  }

  assert {
    condition     = output.domain_name == "dev-visibility" && output.index == "temporal_visibility_v1" && output.endpoint == aws_opensearch_domain.this.endpoint
    error_message = "Name, index and endpoint come out."
  }
}

run "the_longest_project_fits" {
  command = plan

  variables {
    project = "seventeen-letters"
  }

  assert {
    condition     = length(aws_opensearch_domain.this.domain_name) == 28
    error_message = "17 letters make the 28 that OpenSearch takes."
  }
}

run "takes_more_nodes_leaders_and_a_key" {
  command = plan

  variables {
    engine_version    = "OpenSearch_3.1"
    instance_type     = "r7g.xlarge.search"
    instance_count    = 6
    dedicated_masters = true
    volume_gib        = 500
    index             = "temporal_visibility_v2"
    kms_key_arn       = "arn:aws:kms:us-east-1:123456789012:key/11111111-0000-4000-8000-000000000000"
  }

  assert {
    condition     = one(aws_opensearch_domain.this.cluster_config).dedicated_master_count == 3 && one(aws_opensearch_domain.this.cluster_config).instance_count == 6
    error_message = "Six data nodes, three leaders."
  }

  assert {
    condition     = one(aws_opensearch_domain.this.encrypt_at_rest).kms_key_id == var.kms_key_arn && one(aws_opensearch_domain.this.ebs_options).volume_size == 500
    error_message = "The caller's key and disks."
  }
}
