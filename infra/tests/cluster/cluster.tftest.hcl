mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  project            = "dev"
  region             = "us-east-1"
  account_id         = "123456789012"
  vpc_id             = "vpc-00000000000000000"
  capacity_providers = { main = "dev-main", benchmark = "dev-benchmark" }
}

run "encrypts_its_logs_discovers_services_and_attaches_every_pool" {
  assert {
    condition = alltrue([
      for group in [aws_cloudwatch_log_group.exec, aws_cloudwatch_log_group.insights[0]] : group.kms_key_id == aws_kms_key.logs.arn && group.retention_in_days == 30
    ])
    error_message = "Every log group has the key and a retention."
  }

  assert {
    condition     = aws_cloudwatch_log_group.insights[0].name == "/aws/ecs/containerinsights/${aws_ecs_cluster.this.name}/performance"
    error_message = "The performance group is the one that Container Insights writes, got ${aws_cloudwatch_log_group.insights[0].name}."
  }

  assert {
    condition     = aws_kms_key.logs.enable_key_rotation
    error_message = "The key rotates."
  }

  assert {
    condition     = jsondecode(aws_kms_key.logs.policy).Statement[1].Principal.Service == "logs.us-east-1.amazonaws.com"
    error_message = "CloudWatch Logs of the region may use the key."
  }

  assert {
    condition     = jsondecode(aws_kms_key.logs.policy).Statement[1].Condition.ArnLike["kms:EncryptionContext:aws:logs:arn"] == "arn:aws:logs:us-east-1:123456789012:log-group:*/dev/*"
    error_message = "Only for groups of the project."
  }

  assert {
    condition     = !contains(jsondecode(aws_kms_key.logs.policy).Statement[1].Action, "kms:*")
    error_message = "Logs gets the actions it needs."
  }

  assert {
    condition     = one(one(aws_ecs_cluster.this.configuration).execute_command_configuration).logging == "OVERRIDE"
    error_message = "Sessions go to the group of their own."
  }

  assert {
    condition     = one(one(one(aws_ecs_cluster.this.configuration).execute_command_configuration).log_configuration).cloud_watch_log_group_name == output.exec_log_group
    error_message = "Sessions go to the group of their own."
  }

  assert {
    condition     = one(one(aws_ecs_cluster.this.configuration).execute_command_configuration).kms_key_id == output.log_kms_key_arn
    error_message = "Sessions are encrypted with the key."
  }

  assert {
    condition     = one(aws_ecs_cluster.this.setting).value == "enhanced"
    error_message = "Container Insights is on."
  }

  assert {
    condition     = one(aws_ecs_cluster.this.service_connect_defaults).namespace == output.namespace_arn
    error_message = "Services join the cluster's namespace."
  }

  assert {
    condition     = output.dns_namespace_name == "dev.internal" && aws_service_discovery_private_dns_namespace.this.vpc == "vpc-00000000000000000"
    error_message = "Names end in the project, in the VPC given."
  }

  assert {
    condition     = aws_ecs_cluster_capacity_providers.this.capacity_providers == toset(["dev-main", "dev-benchmark"])
    error_message = "Every pool's provider is attached."
  }

  assert {
    condition     = output.capacity_providers["benchmark"] == "dev-benchmark"
    error_message = "Services find their provider by the pool's name."
  }
}
