mock_provider "aws" {
  source = "../../tests/mocks"
}

run "profiles" {
  module {
    source = "./tests/profiles"
  }

  assert {
    condition     = toset(keys(output.by_name)) == toset(["dev", "100wps", "150wps", "400wps"])
    error_message = "Each profile is planned below; there are ${join(", ", keys(output.by_name))}."
  }
}

run "plans_100wps" {
  command = plan

  variables {
    history_shards = run.profiles.by_name["100wps"].history_shards
    services       = run.profiles.by_name["100wps"].services
    capacity_pools = run.profiles.by_name["100wps"].capacity_pools
    benchmark      = run.profiles.by_name["100wps"].benchmark
    dsql           = run.profiles.by_name["100wps"].dsql
  }

  assert {
    condition = alltrue([for name, one in run.profiles.by_name["100wps"].services :
      local.contract_services[name].planned_count == one.planned_count && local.contract_services[name].max_percent == one.max_percent && local.contract_services[name].cpu == one.cpu
    ])
    error_message = "Services are as the profile says."
  }

  assert {
    condition     = local.contract_services["benchmark-worker"].planned_count == run.profiles.by_name["100wps"].benchmark.worker_count
    error_message = "So are the benchmark's workers."
  }

  assert {
    condition     = alltrue([for name in local.temporal_roles : local.role_environment[name]["TEMPORAL_SQL_MAX_CONNS"] == tostring(run.profiles.by_name["100wps"].services[name].dsql_pool_size)])
    error_message = "So are the pools."
  }

  assert {
    condition     = local.store_environment["NUM_HISTORY_SHARDS"] == tostring(run.profiles.by_name["100wps"].history_shards)
    error_message = "So are the shards."
  }
}

run "plans_150wps" {
  command = plan

  variables {
    history_shards = run.profiles.by_name["150wps"].history_shards
    services       = run.profiles.by_name["150wps"].services
    capacity_pools = run.profiles.by_name["150wps"].capacity_pools
    benchmark      = run.profiles.by_name["150wps"].benchmark
    dsql           = run.profiles.by_name["150wps"].dsql
  }

  assert {
    condition = alltrue([for name, one in run.profiles.by_name["150wps"].services :
      local.contract_services[name].planned_count == one.planned_count && local.contract_services[name].max_percent == one.max_percent && local.contract_services[name].cpu == one.cpu
    ])
    error_message = "Services are as the profile says."
  }

  assert {
    condition     = local.contract_services["benchmark-worker"].planned_count == run.profiles.by_name["150wps"].benchmark.worker_count
    error_message = "So are the benchmark's workers."
  }

  assert {
    condition     = alltrue([for name in local.temporal_roles : local.role_environment[name]["TEMPORAL_SQL_MAX_CONNS"] == tostring(run.profiles.by_name["150wps"].services[name].dsql_pool_size)])
    error_message = "So are the pools."
  }

  assert {
    condition     = local.store_environment["NUM_HISTORY_SHARDS"] == tostring(run.profiles.by_name["150wps"].history_shards)
    error_message = "So are the shards."
  }
}

run "plans_400wps" {
  command = plan

  variables {
    history_shards = run.profiles.by_name["400wps"].history_shards
    services       = run.profiles.by_name["400wps"].services
    capacity_pools = run.profiles.by_name["400wps"].capacity_pools
    benchmark      = run.profiles.by_name["400wps"].benchmark
    dsql           = run.profiles.by_name["400wps"].dsql
  }

  assert {
    condition = alltrue([for name, one in run.profiles.by_name["400wps"].services :
      local.contract_services[name].planned_count == one.planned_count && local.contract_services[name].max_percent == one.max_percent && local.contract_services[name].cpu == one.cpu
    ])
    error_message = "Services are as the profile says."
  }

  assert {
    condition     = local.contract_services["benchmark-worker"].planned_count == run.profiles.by_name["400wps"].benchmark.worker_count
    error_message = "So are the benchmark's workers."
  }

  assert {
    condition     = alltrue([for name in local.temporal_roles : local.role_environment[name]["TEMPORAL_SQL_MAX_CONNS"] == tostring(run.profiles.by_name["400wps"].services[name].dsql_pool_size)])
    error_message = "So are the pools."
  }

  assert {
    condition     = local.store_environment["NUM_HISTORY_SHARDS"] == tostring(run.profiles.by_name["400wps"].history_shards)
    error_message = "So are the shards."
  }
}
