mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  project    = "demo"
  region     = "us-east-1"
  vpc_id     = "vpc-1"
  subnet_ids = ["subnet-a", "subnet-b", "subnet-c"]
  group_id   = "sg-dsql"
  services   = {}
}

run "first_rules" {
  command = plan

  variables {
    project     = "eighteen-letters-x"
    partition   = "azure"
    account_id  = "1234"
    kms_key_arn = "alias/data"
    subnet_ids  = ["subnet-a"]
    backup      = { schedule = "daily" }
    limiter     = { mode = "global" }
    services    = { history = { planned_count = 6, autoscale_max = 5, max_percent = 100, rate_per_s = 8, burst = 40, pool_size = 50, reservoir = 0 } }
  }

  expect_failures = [var.project, var.partition, var.account_id, var.kms_key_arn, var.subnet_ids, var.backup, var.limiter, var.services]
}

run "second_rules" {
  command = plan

  variables {
    project  = "Demo"
    region   = "us_east"
    backup   = { retention_days = 0 }
    limiter  = { limit_per_s = 0.5 }
    services = { history = { planned_count = 6, autoscale_max = 6, max_percent = 90, rate_per_s = 8, burst = 40, pool_size = 50, reservoir = 0 } }
  }

  expect_failures = [var.project, var.region, var.backup, var.limiter, var.services]
}

run "no_pool_and_no_cluster" {
  command = plan

  variables {
    create   = false
    services = { history = { planned_count = 6, autoscale_max = 6, max_percent = 100, rate_per_s = 8, burst = 40, pool_size = 0, reservoir = 0 } }
  }

  expect_failures = [var.create, var.services]
}

run "no_rate" {
  command = plan

  variables {
    services = { history = { planned_count = 6, autoscale_max = 6, max_percent = 100, rate_per_s = 0, burst = 40, pool_size = 50, reservoir = 0 } }
  }

  expect_failures = [var.services]
}

run "identifier_too_short" {
  command = plan

  variables {
    create = false
    existing = {
      identifier                = "abc"
      arn                       = "arn:aws:dsql:us-east-1:123456789012:cluster/abc"
      endpoint                  = "abc.dsql.us-east-1.on.aws"
      vpc_endpoint_service_name = "com.amazonaws.us-east-1.dsql-wxyz"
    }
  }

  expect_failures = [var.existing]
}

run "arn_of_another_region" {
  command = plan

  variables {
    create = false
    existing = {
      identifier                = "zyxwvutsrqponmlkjihgfedcba"
      arn                       = "arn:aws:dsql:eu-west-1:123456789012:cluster/zyxwvutsrqponmlkjihgfedcba"
      endpoint                  = "zyxwvutsrqponmlkjihgfedcba.dsql.us-east-1.on.aws"
      vpc_endpoint_service_name = "com.amazonaws.us-east-1.dsql-wxyz"
    }
  }

  expect_failures = [var.existing]
}

run "private_name_as_endpoint" {
  command = plan

  variables {
    create = false
    existing = {
      identifier                = "zyxwvutsrqponmlkjihgfedcba"
      arn                       = "arn:aws:dsql:us-east-1:123456789012:cluster/zyxwvutsrqponmlkjihgfedcba"
      endpoint                  = "zyxwvutsrqponmlkjihgfedcba.dsql-wxyz.us-east-1.on.aws"
      vpc_endpoint_service_name = "com.amazonaws.us-east-1.dsql-wxyz"
    }
  }

  expect_failures = [var.existing]
}

run "management_endpoint_as_service" {
  command = plan

  variables {
    create = false
    existing = {
      identifier                = "zyxwvutsrqponmlkjihgfedcba"
      arn                       = "arn:aws:dsql:us-east-1:123456789012:cluster/zyxwvutsrqponmlkjihgfedcba"
      endpoint                  = "zyxwvutsrqponmlkjihgfedcba.dsql.us-east-1.on.aws"
      vpc_endpoint_service_name = "com.amazonaws.us-east-1.dsql"
    }
  }

  expect_failures = [var.existing]
}

run "created_and_existing" {
  command = plan

  variables {
    existing = {
      identifier                = "zyxwvutsrqponmlkjihgfedcba"
      arn                       = "arn:aws:dsql:us-east-1:123456789012:cluster/zyxwvutsrqponmlkjihgfedcba"
      endpoint                  = "zyxwvutsrqponmlkjihgfedcba.dsql.us-east-1.on.aws"
      vpc_endpoint_service_name = "com.amazonaws.us-east-1.dsql-wxyz"
    }
  }

  expect_failures = [var.create]
}
