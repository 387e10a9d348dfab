mock_provider "aws" {
  source = "../../tests/mocks"
}

run "nat_a_shared_limit_and_images_from_elsewhere" {
  command = plan

  variables {
    egress_mode = "nat"
    rule_groups = { temporal = "", mine = "groups: []", dsql = "groups: []" }
    dsql        = { connection_lifetime = "50m", connection_lifetime_jitter = 0.1, distributed_limiter = true, distributed_limit_per_s = 90 }
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

  assert {
    condition     = join(" ", local.repository_arns) == "arn:aws:ecr:us-east-1:123456789012:repository/dev/*"
    error_message = "Without an image in ECR instances may pull from the project's repositories."
  }

  assert {
    condition     = join(" ", local.contract.network.zones) == "us-east-1b us-east-1d us-east-1f"
    error_message = "Zones are the caller's."
  }

  assert {
    condition     = join(" ", keys(local.rule_groups)) == "collection dsql limits mine records" && local.rule_groups["dsql"] == var.rule_groups["dsql"]
    error_message = "The caller's rules come beside the stack's own, or in their place, or leave one out: ${join(" ", keys(local.rule_groups))}."
  }
}
