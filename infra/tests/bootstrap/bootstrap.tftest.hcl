mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  project    = "demo"
  region     = "us-east-1"
  account_id = "123456789012"
}

run "an_empty_account" {
  assert {
    condition     = aws_s3_bucket.state.bucket == "demo-terraform-123456789012-us-east-1" && aws_s3_bucket.state.force_destroy != true
    error_message = "the state's bucket has a name of its own, and outlives a mistake"
  }

  assert {
    condition     = aws_s3_bucket_versioning.state.versioning_configuration[0].status == "Enabled"
    error_message = "every state can be had back"
  }

  assert {
    condition = alltrue([for rule in aws_s3_bucket_server_side_encryption_configuration.state.rule :
      rule.apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms"
      && rule.apply_server_side_encryption_by_default[0].kms_master_key_id == aws_kms_key.this.arn
    ])
    error_message = "the state is encrypted by the stack's key"
  }

  assert {
    condition = (
      aws_s3_bucket_public_access_block.state.block_public_acls && aws_s3_bucket_public_access_block.state.block_public_policy
      && aws_s3_bucket_public_access_block.state.ignore_public_acls && aws_s3_bucket_public_access_block.state.restrict_public_buckets
    )
    error_message = "no way to make the state public"
  }

  assert {
    condition     = [for refusal in jsondecode(aws_s3_bucket_policy.state.policy).Statement : "${refusal.Effect} ${refusal.Sid}"] == ["Deny RefusePlainHttp", "Deny RefuseOldTls"]
    error_message = "the bucket answers over TLS 1.2 and later alone"
  }

  assert {
    condition     = toset(keys(output.repository_urls)) == toset(["benchmark", "collector", "grafana", "server", "ui"])
    error_message = "each image has a repository"
  }

  assert {
    condition = alltrue([for name, repository in aws_ecr_repository.this :
      repository.name == "demo/${name}" && repository.image_tag_mutability == "IMMUTABLE"
      && repository.image_scanning_configuration[0].scan_on_push
      && one(repository.encryption_configuration).kms_key == aws_kms_key.this.arn
    ])
    error_message = "tags never move, images are scanned and encrypted"
  }

  assert {
    condition     = alltrue([for policy in aws_ecr_lifecycle_policy.this : jsondecode(policy.policy).rules[1].selection.countNumber == 100])
    error_message = "the newest hundred images stay"
  }

  assert {
    condition     = { for name, setting in aws_ecs_account_setting_default.this : name => setting.value } == { awsvpcTrunking = "enabled", containerInsights = "enhanced" }
    error_message = "instances get trunked interfaces, clusters Container Insights"
  }

  assert {
    condition = toset(keys(aws_iam_service_linked_role.this)) == toset([
      "autoscaling.amazonaws.com", "ecs.amazonaws.com", "ecs.application-autoscaling.amazonaws.com", "opensearchservice.amazonaws.com",
    ])
    error_message = "an empty account gets the linked roles that the platform uses"
  }

  assert {
    condition     = output.backend.bucket == aws_s3_bucket.state.id && output.backend.use_lockfile && output.backend.encrypt && output.backend.kms_key_id == aws_kms_key.this.arn
    error_message = "the backend locks in the bucket itself"
  }

  assert {
    condition     = output.repository_arns["server"] == "arn:aws:ecr:us-east-1:123456789012:repository/demo/server"
    error_message = "a plan knows the repositories' ARNs"
  }

  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "the key rotates"
  }
}

run "an_account_with_linked_roles" {
  command = plan

  variables {
    service_linked_roles = []
  }

  assert {
    condition     = length(aws_iam_service_linked_role.this) == 0
    error_message = "what is there already is left alone"
  }
}

run "wrong_values" {
  command = plan

  variables {
    project              = "eighteen-letters-x"
    region               = "us_east"
    partition            = "azure"
    account_id           = "1234"
    tags                 = { Project = "other" }
    repositories         = ["Server"]
    kept_images          = 1
    service_linked_roles = ["AWSServiceRoleForECS"]
    container_insights   = "on"
  }

  expect_failures = [
    var.project, var.region, var.partition, var.account_id, var.tags, var.repositories, var.kept_images, var.service_linked_roles,
    var.container_insights,
  ]
}
