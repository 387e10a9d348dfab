mock_provider "aws" {
  source = "../../tests/mocks"
}

# tests/infra/test_contract.py reads its output too, and holds it against the schema.
run "the_whole_is_applied_and_told_by_its_contract" {
  assert {
    condition     = output.contract.version == 1
    error_message = "The contract says its version."
  }

  assert {
    condition = output.contract.services["history"].service == "dev-history" && output.contract.services["history"].dsql == {
      pool_size = 50, rate_per_s = 8.1, burst = 50, reservoir = 0
    } && output.contract.services["ui"].dsql == null
    error_message = "Services and their budgets come from the profile: ${jsonencode(output.contract.services["history"])}."
  }

  assert {
    condition     = toset(keys(output.contract.services)) == toset(["history", "matching", "frontend", "worker", "ui", "grafana", "collector", "benchmark-worker"])
    error_message = "Every service is told."
  }

  assert {
    condition     = { for name, task in output.contract.tasks : name => task.task_family } == { schema = "dev-schema", operator = "dev-operator", visibility = "dev-visibility-setup", generator = "dev-benchmark-generator" }
    error_message = "Every task that runs once is told."
  }

  assert {
    condition     = { for name, pool in output.contract.capacity : name => pool.provider } == { main = "dev-main", benchmark = "dev-benchmark" }
    error_message = "Both pools are told."
  }

  assert {
    condition     = output.contract.dsql.private_endpoint == "abcdefghijklmnopqrstuvwxyz.dsql-abcd.us-east-1.on.aws" && output.contract.dsql.limiter.table == "dev-dsql-rate-limiter"
    error_message = "DSQL is told by both its names."
  }

  assert {
    condition     = strcontains(output.exec_commands["history"], "ecs execute-command --cluster dev") && strcontains(output.exec_commands["history"], "--service-name dev-history") && !contains(keys(output.exec_commands), "collector")
    error_message = "A shell in every service that has one."
  }

  assert {
    condition     = strcontains(output.forward_commands["ui"], "AWS-StartPortForwardingSession") && strcontains(output.forward_commands["ui"], "$${task##*/}") && strcontains(output.forward_commands["grafana"], "portNumber=3000")
    error_message = "UI and Grafana are forwarded: ${output.forward_commands["ui"]}"
  }
}

run "shards_cannot_be_changed_afterwards" {
  command = plan

  variables {
    history_shards = 1024
  }

  expect_failures = [terraform_data.history_shards]
}
