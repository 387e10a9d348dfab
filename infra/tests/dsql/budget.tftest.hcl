mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  project    = "demo"
  region     = "us-east-1"
  vpc_id     = "vpc-1"
  subnet_ids = ["subnet-a", "subnet-b", "subnet-c"]
  group_id   = "sg-dsql"
  services = {
    frontend = { planned_count = 3, autoscale_max = 4, max_percent = 134, rate_per_s = 4, burst = 20, pool_size = 50, reservoir = 2 }
    history  = { planned_count = 6, autoscale_max = 6, max_percent = 100, rate_per_s = 8.25, burst = 40, pool_size = 50, reservoir = 0 }
  }
}

run "every_sum_is_spelled_out" {
  command = plan

  assert {
    condition = toset(keys(output.budget)) == toset([
      "connections-planned", "connections-autoscaled", "connections-deploying-frontend",
      "rate-planned", "rate-autoscaled", "rate-deploying-frontend",
      "burst-planned", "burst-autoscaled", "burst-deploying-frontend",
    ])
    error_message = "states: planned, autoscaled, and deploying where a deployment adds replicas; there are ${join(", ", keys(output.budget))}"
  }

  assert {
    condition     = output.budget["connections-planned"].total == 3 * 52 + 6 * 50 + 9 * 4 + 9 * 2 + 10 && output.budget["connections-planned"].limit == 10000
    error_message = "pools, reservoirs, what replacing and starting add, operators; it says ${output.budget["connections-planned"].text}"
  }

  assert {
    condition     = output.budget["rate-deploying-frontend"].total == 5 * 4 + 6 * 8.25 + 2
    error_message = "134 % of 4 are 5 replicas; it says ${output.budget["rate-deploying-frontend"].text}"
  }

  assert {
    condition     = output.budget["rate-deploying-frontend"].text == "4 × 4 frontend + 6 × 8.25 history + 4 frontend (new) + 2 operators = 71.5"
    error_message = "it says ${output.budget["rate-deploying-frontend"].text}"
  }

  assert {
    condition     = output.budget["burst-autoscaled"].total == 4 * 20 + 6 * 40 + 20
    error_message = "it says ${output.budget["burst-autoscaled"].text}"
  }
}

run "exactly_full" {
  command = plan

  variables {
    services = {
      history = { planned_count = 98, autoscale_max = 98, max_percent = 100, rate_per_s = 1, burst = 10, pool_size = 90, reservoir = 0 }
    }
    limits = { connections = 9418 }
  }

  assert {
    condition     = output.budget["rate-planned"].total == 100 && output.budget["burst-planned"].total == 1000 && output.budget["connections-planned"].total == 9418
    error_message = "a sum may reach its limit"
  }
}

run "tenths_are_no_overrun" {
  command = plan

  variables {
    services = {
      history = { planned_count = 980, autoscale_max = 980, max_percent = 100, rate_per_s = 0.1, burst = 1, pool_size = 1, reservoir = 0 }
    }
  }

  assert {
    condition     = output.budget["rate-planned"].total == 100
    error_message = "980 × 0.1 + 2 is 100; it says ${output.budget["rate-planned"].text}"
  }
}

run "nothing_that_connects" {
  command = plan

  variables {
    services = {}
  }

  assert {
    condition     = output.budget["connections-planned"].total == 10
    error_message = "operators are left"
  }
}

run "too_many_connections" {
  command = plan

  variables {
    services = {
      history = { planned_count = 98, autoscale_max = 98, max_percent = 100, rate_per_s = 1, burst = 10, pool_size = 90, reservoir = 0 }
    }
    limits = { connections = 9417 }
  }

  expect_failures = [var.limits]
}

run "too_fast_while_deploying" {
  command = plan

  variables {
    services = {
      history = { planned_count = 6, autoscale_max = 6, max_percent = 200, rate_per_s = 8.5, burst = 40, pool_size = 50, reservoir = 0 }
    }
  }

  expect_failures = [var.limits]
}

run "too_fast_but_counted_together" {
  command = plan

  variables {
    services = {
      history = { planned_count = 6, autoscale_max = 6, max_percent = 200, rate_per_s = 8.5, burst = 40, pool_size = 50, reservoir = 0 }
    }
    limiter = { mode = "distributed" }
  }

  assert {
    condition     = output.budget["rate-deploying-history"].total == 104
    error_message = "the sum is told all the same"
  }
}

run "too_many_at_once_even_when_counted" {
  command = plan

  variables {
    services = {
      history = { planned_count = 10, autoscale_max = 20, max_percent = 100, rate_per_s = 1, burst = 50, pool_size = 50, reservoir = 0 }
    }
    limiter = { mode = "distributed" }
  }

  expect_failures = [var.limits]
}

run "a_counter_faster_than_dsql" {
  command = plan

  variables {
    limiter = { mode = "distributed", limit_per_s = 101 }
  }

  expect_failures = [var.limits]
}
