mock_provider "aws" {
  source = "../../tests/mocks"
}

override_resource {
  target = module.network.aws_vpc.this
  values = { id = "vpc-00000000000000000" }
}

override_resource {
  target = module.network.aws_subnet.private
  values = { id = "subnet-00000000000000000" }
}

override_resource {
  target = module.network.aws_security_group.party
  values = { id = "sg-00000000000000000" }
}

override_resource {
  target = module.dsql.aws_backup_plan.this
  values = { id = "00000000-0000-4000-8000-000000000000" }
}

# One apply for all that it shows: a plan of the whole takes 5 s of CPU.
run "the_whole_as_the_profile_says" {
  variables {
    server_environment = { LOG_LEVEL = "warn" }
  }

  # tests/infra/test_contract.py reads the same file: what this stack says is what auroral understands.
  assert {
    condition     = jsonencode(output.contract) == jsonencode(jsondecode(file("tests/contract.json")))
    error_message = "The contract is another one than infra/tests/platform/contract.json. Where that is meant: python -m tests.support.contract_file"
  }

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

  # Who may call whom.

  assert {
    condition = jsonencode({
      for port in [7233, 7234, 7235, 7243, 5432] : tostring(port) => sort([for edge in local.edges : "${edge.from} ${edge.to}" if edge.port == port])
      }) == jsonencode({
      "7233" = sort(["frontend frontend", "history frontend", "worker frontend", "ui frontend", "benchmark-generator frontend", "benchmark-worker frontend"])
      "7234" = sort(["frontend history", "history history", "matching history", "worker history"])
      "7235" = sort(["frontend matching", "history matching", "matching matching", "worker matching"])
      "7243" = ["history frontend"]
      "5432" = sort([for party in ["history", "matching", "frontend", "worker", "schema", "operator"] : "${party} dsql-endpoint"])
    })
    error_message = "Each port of Temporal and DSQL is open to these callers alone."
  }

  assert {
    condition = length([for edge in local.edges : edge if contains([6933, 6934, 6935, 6939], edge.port)]) == 16 && alltrue([
      for edge in local.edges : contains(local.temporal_roles, edge.from) && contains(local.temporal_roles, edge.to) if contains([6933, 6934, 6935, 6939], edge.port)
    ])
    error_message = "Membership is among Temporal's four roles, each with each."
  }

  assert {
    condition     = alltrue([for edge in local.edges : edge.from == "collector" if edge.port == 9090]) && length([for edge in local.edges : edge if edge.port == 9090]) == 6
    error_message = "The collector alone scrapes."
  }

  assert {
    condition     = !anytrue([for edge in local.edges : contains(["internet", "prefix:dynamodb"], edge.to)])
    error_message = "Nothing leads to the internet, nor to DynamoDB where no limiter counts there."
  }

  assert {
    condition     = !anytrue([for edge in local.edges : contains(local.instance_parties, edge.to)])
    error_message = "Nobody calls an instance."
  }

  assert {
    condition     = toset([for edge in local.edges : edge.to if edge.from == "instances-benchmark"]) == toset(["endpoint:ecs", "endpoint:ecs-agent", "endpoint:ecs-telemetry", "endpoint:ecr.api", "endpoint:ecr.dkr", "endpoint:logs", "prefix:s3"])
    error_message = "Instances of the benchmark pull and log, and see no secret."
  }

  assert {
    condition     = alltrue([for party in local.task_parties : alltrue([for name in ["ssmmessages", "logs", "kms"] : contains(keys(local.edges), "${party}-to-endpoint-${name}-443")])])
    error_message = "ECS Exec reaches every task."
  }

  assert {
    condition     = toset([for edge in local.edges : edge.from if edge.to == "opensearch"]) == toset(["history", "matching", "frontend", "worker", "visibility-setup"])
    error_message = "OpenSearch is the servers' and the visibility task's."
  }

  assert {
    condition     = length(local.edges) == length(local.edge_list)
    error_message = "No line of the table hides another."
  }

  # What the processes are told, and may do.

  assert {
    condition     = alltrue([for name in local.temporal_roles : local.role_environment[name]["TEMPORAL_SQL_MAX_CONNS"] == local.role_environment[name]["TEMPORAL_SQL_MAX_IDLE_CONNS"]])
    error_message = "All connections are kept, or the pool would open new ones under load."
  }

  assert {
    condition = local.role_environment["history"] == {
      TEMPORAL_SERVICES           = "history"
      TEMPORAL_SQL_MAX_CONNS      = "50"
      TEMPORAL_SQL_MAX_IDLE_CONNS = "50"
      DSQL_CONNECTION_RATE_LIMIT  = "8.1"
      DSQL_CONNECTION_BURST_LIMIT = "50"
      DSQL_RESERVOIR              = "0"
    }
    error_message = "The profile's numbers arrive as text: ${jsonencode(local.role_environment["history"])}."
  }

  assert {
    condition     = local.store_environment["TEMPORAL_SQL_MAX_CONN_LIFETIME"] == "55m" && local.store_environment["DSQL_LIFETIME_JITTER"] == "0.1" && local.limiter_environment == tomap({ DSQL_DISTRIBUTED_RATE_LIMITER_ENABLED = "false" })
    error_message = "Connections live for 55 minutes, and each task keeps to its own rate."
  }

  assert {
    condition = alltrue([for key in concat(keys(local.store_environment), keys(local.limiter_environment), keys(local.visibility_environment), keys(local.process_environment), keys(local.role_environment["history"])) :
      contains(local.reserved_environment, key)
    ])
    error_message = "What this stack sets cannot be set beside it."
  }

  assert {
    condition     = jsonencode([for it in local.one_shot["schema"].statements : it.actions]) == jsonencode([["dsql:DbConnectAdmin"]])
    error_message = "The schema task is DSQL's admin."
  }

  assert {
    condition     = !anytrue(flatten([for it in concat(local.server_statements, local.one_shot["operator"].statements) : [for action in it.actions : action == "dsql:DbConnectAdmin"]]))
    error_message = "Nobody else is."
  }

  assert {
    condition     = join(" ", [for argument in local.one_shot["visibility-setup"].command : argument if startswith(argument, "arn:")]) == join(" ", [for name in ["frontend", "history", "matching", "worker"] : "arn:aws:iam::123456789012:role/dev-${name}-task"])
    error_message = "The visibility task maps each server's role, and a plan knows them."
  }

  assert {
    condition     = join(" ", local.repository_arns) == join(" ", [for name in ["benchmark", "collector", "grafana", "server", "ui"] : "arn:aws:ecr:us-east-1:123456789012:repository/dev/${name}"])
    error_message = "Instances pull from the images' repositories alone: ${jsonencode(local.repository_arns)}."
  }

  assert {
    condition     = join(" ", local.zones) == "us-east-1a us-east-1b us-east-1c"
    error_message = "Three zones of the region."
  }

  assert {
    condition     = join(" ", keys(local.rule_groups)) == "collection dsql limits records temporal"
    error_message = "Rules are those of rules/, and the limits: ${join(" ", keys(local.rule_groups))}."
  }

  assert {
    condition = { for it in yamldecode(local.rule_groups["limits"]).groups[0].rules : it.record => it.expr } == {
      "auroral:dsql_connect_rate:limit" = "vector(100)", "auroral:dsql_connections:limit" = "vector(10000)", "auroral:history_shards:count" = "vector(4096)"
    }
    error_message = "Alerts compare with what this deployment has."
  }
}

run "shards_cannot_be_changed_afterwards" {
  command = plan

  variables {
    history_shards = 1024
  }

  expect_failures = [terraform_data.history_shards]
}
