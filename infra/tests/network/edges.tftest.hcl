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

run "edge_from_nobody" {
  command = plan

  variables {
    edges = {
      wrong = { from = "stranger", to = "history", port = 7234, description = "Requests" }
    }
  }

  expect_failures = [var.edges]
}

run "edge_to_nobody" {
  command = plan

  variables {
    edges = {
      wrong = { from = "frontend", to = "stranger", port = 7234, description = "Requests" }
    }
  }

  expect_failures = [var.edges]
}

run "edge_to_an_endpoint_that_is_not_there" {
  command = plan

  variables {
    edges = {
      wrong = { from = "frontend", to = "endpoint:sqs", port = 443, description = "Requests" }
    }
  }

  expect_failures = [var.edges]
}

run "internet_in_endpoints_mode" {
  command = plan

  variables {
    edges = {
      wrong = { from = "frontend", to = "internet", port = 443, description = "Requests" }
    }
  }

  expect_failures = [var.edges]
}

run "endpoint_on_another_port" {
  command = plan

  variables {
    edges = {
      wrong = { from = "frontend", to = "endpoint:logs", port = 80, description = "Requests" }
    }
  }

  expect_failures = [var.edges]
}

run "no_port" {
  command = plan

  variables {
    edges = {
      wrong = { from = "frontend", to = "history", port = 0, description = "Requests" }
    }
  }

  expect_failures = [var.edges]
}

run "half_a_port" {
  command = plan

  variables {
    edges = {
      wrong = { from = "frontend", to = "history", port = 7234.5, description = "Requests" }
    }
  }

  expect_failures = [var.edges]
}

run "description_that_ec2_refuses" {
  command = plan

  variables {
    edges = {
      wrong = { from = "frontend", to = "history", port = 7234, description = "Requests <all>" }
    }
  }

  expect_failures = [var.edges]
}

run "the_same_rule_twice" {
  command = plan

  variables {
    edges = {
      first  = { from = "frontend", to = "history", port = 7234, description = "Requests" }
      second = { from = "frontend", to = "history", port = 7234, description = "Requests again" }
    }
  }

  expect_failures = [var.edges]
}

run "more_callers_than_a_group_takes" {
  command = plan

  variables {
    groups = concat(["history"], [for number in range(61) : "caller-${number}"])
    edges  = { for number in range(61) : "e${number}" => { from = "caller-${number}", to = "history", port = 7234, description = "Requests" } }
  }

  expect_failures = [var.edges]
}

run "more_targets_than_a_group_takes" {
  command = plan

  variables {
    edges = { for number in range(61) : "e${number}" => { from = "frontend", to = "history", port = 7000 + number, description = "Requests" } }
  }

  expect_failures = [var.edges]
}
