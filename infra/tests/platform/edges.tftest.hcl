mock_provider "aws" {
  source = "../../tests/mocks"
}

run "admits_declared_callers_alone" {
  command = plan

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
}

run "nat_and_a_shared_limit_open_what_they_need" {
  command = plan

  variables {
    egress_mode = "nat"
    dsql        = { connection_lifetime = "50m", connection_lifetime_jitter = 0.1, distributed_limiter = true, distributed_limit_per_s = 90 }
  }

  assert {
    condition     = toset([for edge in local.edges : edge.from if edge.to == "internet"]) == toset(local.instance_parties)
    error_message = "Instances pull images from the internet; tasks do not reach it."
  }

  assert {
    condition     = toset([for edge in local.edges : edge.from if edge.to == "prefix:dynamodb"]) == toset(local.temporal_roles)
    error_message = "The servers count in the table."
  }

  assert {
    condition = local.limiter_environment == tomap({
      DSQL_DISTRIBUTED_RATE_LIMITER_ENABLED = "true", DSQL_DISTRIBUTED_RATE_LIMITER_TABLE = "dev-dsql-rate-limiter", DSQL_DISTRIBUTED_RATE_LIMITER_LIMIT = "90"
    })
    error_message = "The servers are told of the table."
  }

  assert {
    condition     = jsonencode([for it in local.server_statements : it.actions if it.sid == "Limiter"]) == jsonencode([["dynamodb:UpdateItem"]])
    error_message = "And may count in it."
  }
}
