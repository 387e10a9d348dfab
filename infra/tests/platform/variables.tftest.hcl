mock_provider "aws" {
  source = "../../tests/mocks"
}

# A rule that names two variables is not judged where the other one is wrong: the region and the zones stand apart.

run "wrong_names_and_a_small_profile" {
  command = plan

  variables {
    project            = "eighteen-letters-x"
    region             = "us_east"
    account_id         = "1234"
    partition          = "azure"
    tags               = { Project = "other" }
    egress_mode        = "open"
    grafana_secret_arn = "correct horse battery staple"
    server_environment = { TEMPORAL_SQL_MAX_CONNS = "500" }
    history_shards     = 1000
    services           = { history = { cpu = 1024, memory = 2048, planned_count = 1, autoscale_max = 1, min_healthy_percent = 0, max_percent = 100 } }
    capacity_pools     = { main = { instance_type = "m7g.xlarge", min = 3, max = 4, desired = 3 } }
    dsql               = { connection_lifetime = "60m", connection_lifetime_jitter = 0.1, distributed_limiter = false }
  }

  expect_failures = [
    var.project, var.region, var.account_id, var.partition, var.tags, var.egress_mode, var.grafana_secret_arn, var.server_environment, var.history_shards,
    var.services, var.capacity_pools, var.dsql,
  ]
}

run "names_that_ecs_keeps_images_by_tag_and_a_pool_that_never_ends" {
  command = plan

  variables {
    project = "ecs-temporal"
    zones   = ["us-east-1a", "us-east-1b"]
    images  = { server = "dev/server:latest", benchmark = "dev/benchmark:latest", ui = "dev/ui:latest", grafana = "dev/grafana:latest", collector = "dev/collector:latest" }
    capacity_pools = {
      main      = { instance_type = "m7g.xlarge", min = 3, max = 4, desired = 3 }
      benchmark = { instance_type = "m7g.xlarge", min = 1, max = 4, desired = 1 }
    }
    dsql = { connection_lifetime = "3300s", connection_lifetime_jitter = 1, distributed_limiter = false }
  }

  expect_failures = [var.project, var.zones, var.images, var.capacity_pools, var.dsql]
}

run "images_that_no_endpoint_reaches_and_servers_without_pools" {
  command = plan

  variables {
    images = {
      server    = "123456789012.dkr.ecr.us-east-1.amazonaws.com/dev/server@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      benchmark = "123456789012.dkr.ecr.us-east-1.amazonaws.com/dev/benchmark@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      ui        = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/dev/ui@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      grafana   = "123456789012.dkr.ecr.us-east-1.amazonaws.com/dev/grafana@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      collector = "registry.example.com/collector@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    }
    services = { for name in ["history", "matching", "frontend", "worker", "ui", "grafana", "collector"] : name => {
      cpu = 1024, memory = 2048, planned_count = 3, autoscale_max = 2, min_healthy_percent = 0, max_percent = 100
    } }
  }

  expect_failures = [var.images, var.services]
}
