# A run fails as many variables as it names: each rule of a variable has a run in which it alone is broken.
mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  project     = "demo"
  region      = "us-east-1"
  zones       = ["us-east-1a", "us-east-1b", "us-east-1c"]
  kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/logs"
  groups      = ["frontend", "history"]
  edges       = {}
}

run "first_rules" {
  command = plan

  variables {
    project                 = "eighteen-letters-x"
    account_id              = "1234"
    cidr                    = "10.0.0.0/24"
    zones                   = ["us-east-1a", "us-east-1b", "us-east-1b"]
    egress_mode             = "open"
    groups                  = ["History"]
    flow_log_retention_days = 10
    kms_key_arn             = "alias/logs"
  }

  expect_failures = [var.project, var.account_id, var.cidr, var.zones, var.egress_mode, var.groups, var.flow_log_retention_days, var.kms_key_arn]
}

run "second_rules" {
  command = plan

  variables {
    project             = "Demo"
    cidr                = "10.0.1.0/16"
    zones               = ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
    groups              = ["internet"]
    interface_endpoints = ["com.amazonaws.us-east-1.ECR", "ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "logs"]
  }

  expect_failures = [var.project, var.cidr, var.zones, var.groups, var.interface_endpoints]
}

run "other_wrong_values" {
  command = plan

  variables {
    interface_endpoints = ["ecr.api", "ecr.dkr", "ecs", "ecs-agent", "logs"]
    region              = "us_east"
    cidr                = "ten"
  }

  expect_failures = [var.interface_endpoints, var.region, var.cidr]
}
