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
  server_role_arns = ["arn:aws:iam::123456789012:role/dev-history-task"]
}

run "wrong_names" {
  command = plan

  variables {
    project            = "eighteen-letters-x"
    account_id         = "1234"
    log_retention_days = 8
    index              = "_visibility"
    engine_version     = "Elasticsearch_7.10"
  }

  expect_failures = [var.project, var.account_id, var.log_retention_days, var.index, var.engine_version]
}

run "wrong_nodes" {
  command = plan

  variables {
    subnet_ids     = ["subnet-0a", "subnet-0b"]
    instance_type  = "m5.large.search"
    instance_count = 4
    volume_gib     = 5
    kms_key_arn    = "alias/aws/es"
  }

  expect_failures = [var.subnet_ids, var.instance_type, var.instance_count, var.volume_gib, var.kms_key_arn]
}

run "wrong_roles" {
  command = plan

  variables {
    master_role_arn  = "dev-visibility-setup-task"
    server_role_arns = []
  }

  expect_failures = [var.master_role_arn, var.server_role_arns]
}
