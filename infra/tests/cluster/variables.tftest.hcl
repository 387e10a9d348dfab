mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  project            = "dev"
  region             = "us-east-1"
  account_id         = "123456789012"
  vpc_id             = "vpc-00000000000000000"
  capacity_providers = { main = "dev-main" }
}

run "takes_the_longest_project" {
  command = plan

  variables {
    project            = "a2345678901234567"
    account_id         = "000000000000"
    container_insights = "disabled"
    log_retention_days = 3653
  }
}

run "refuses_set_1" {
  command = plan

  variables {
    # refuses a long project
    project = "a23456789012345678"
    # refuses a short account id
    account_id = "12345"
    # refuses no capacity
    capacity_providers = {}
    # refuses unknown insights
    container_insights = "on"
    # refuses a retention that logs does not know
    log_retention_days = 31
  }

  expect_failures = [var.project, var.account_id, var.capacity_providers, var.container_insights, var.log_retention_days]
}
