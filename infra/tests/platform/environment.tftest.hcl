mock_provider "aws" {
  source = "../../tests/mocks"
}

run "servers_are_told_what_the_profile_says" {
  command = plan

  variables {
    server_environment = { LOG_LEVEL = "warn" }
  }

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
}

run "images_from_elsewhere_need_nat" {
  command = plan

  variables {
    egress_mode = "nat"
    images = {
      server    = "registry.example.com/server@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      benchmark = "registry.example.com/benchmark@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      ui        = "registry.example.com/ui@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      grafana   = "registry.example.com/grafana@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      collector = "registry.example.com/collector@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    }
    zones = ["us-east-1b", "us-east-1d", "us-east-1f"]
  }

  assert {
    condition     = join(" ", local.repository_arns) == "arn:aws:ecr:us-east-1:123456789012:repository/dev/*"
    error_message = "Without an image in ECR instances may pull from the project's repositories."
  }

  assert {
    condition     = join(" ", local.contract.network.zones) == "us-east-1b us-east-1d us-east-1f"
    error_message = "Zones are the caller's."
  }
}
