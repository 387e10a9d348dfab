mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  project            = "dev"
  region             = "us-east-1"
  account_id         = "123456789012"
  cluster_arn        = "arn:aws:ecs:us-east-1:123456789012:cluster/dev"
  cluster_name       = "dev"
  subnet_ids         = ["subnet-0a", "subnet-0b", "subnet-0c"]
  log_kms_key_arn    = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000000"
  exec_log_group     = "/ecs/dev/exec"
  capacity_provider  = "dev-benchmark"
  generator_group_id = "sg-generator"
  worker_group_id    = "sg-worker"
  image              = "123456789012.dkr.ecr.us-east-1.amazonaws.com/dev/benchmark@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  namespace_arn      = "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-http0000000000"
  worker_address     = "temporal-frontend:7233"
  generator_address  = "frontend.dev.internal:7233"
}

run "keeps_results_and_runs_apart" {
  assert {
    condition     = output.results_bucket == "dev-benchmark-123456789012-us-east-1" && one(aws_s3_bucket_versioning.results.versioning_configuration).status == "Enabled"
    error_message = "Results are versioned."
  }

  assert {
    condition     = alltrue([aws_s3_bucket_public_access_block.results.block_public_acls, aws_s3_bucket_public_access_block.results.block_public_policy, aws_s3_bucket_public_access_block.results.ignore_public_acls, aws_s3_bucket_public_access_block.results.restrict_public_buckets])
    error_message = "Results are not public."
  }

  assert {
    condition     = one([for it in aws_s3_bucket_server_side_encryption_configuration.results.rule : one(it.apply_server_side_encryption_by_default).kms_master_key_id]) == output.results_key_arn
    error_message = "Results are encrypted with their key."
  }

  assert {
    condition     = one([for it in jsondecode(aws_s3_bucket_policy.results.policy).Statement : it if it.Sid == "TlsOnly"]).Condition.Bool["aws:SecureTransport"] == "false" && one([for it in jsondecode(aws_s3_bucket_policy.results.policy).Statement : it if it.Sid == "TlsOnly"]).Effect == "Deny"
    error_message = "Only TLS reaches the bucket."
  }

  assert {
    condition     = one([for it in aws_s3_bucket_lifecycle_configuration.results.rule : it.status if it.id == "results"]) == "Disabled"
    error_message = "Results are kept unless a retention is set."
  }

  assert {
    condition     = output.worker.service_name == "dev-benchmark-worker" && output.worker.planned_count == 51 && output.worker.capacity_provider == "dev-benchmark"
    error_message = "Workers are a service on the benchmark pool."
  }

  assert {
    condition     = output.generator.task_family == "dev-benchmark-generator" && output.generator.log_group == "/ecs/dev/benchmark-generator" && output.generator.group_id == "sg-generator"
    error_message = "The generator is a task."
  }

  assert {
    condition     = local.worker_environment["BENCHMARK_WORKER_ONLY"] == "true" && local.worker_environment["BENCHMARK_WORKER_COUNT"] == "4" && local.worker_environment["BENCHMARK_ADDRESS"] == "temporal-frontend:7233"
    error_message = "A worker task runs a process for each vCPU, through Service Connect."
  }

  assert {
    condition     = local.generator_environment["BENCHMARK_GENERATOR_ONLY"] == "true" && local.generator_environment["BENCHMARK_ADDRESS"] == "frontend.dev.internal:7233" && local.generator_environment["AURORAL_RESULTS_URL"] == "s3://dev-benchmark-123456789012-us-east-1/runs/"
    error_message = "The generator loads the frontend by DNS and knows where results go."
  }

  assert {
    condition     = alltrue([for key in ["BENCHMARK_NAMESPACE", "BENCHMARK_TASK_QUEUES"] : local.generator_environment[key] == local.worker_environment[key]])
    error_message = "Both agree on what they share."
  }
}

run "deletes_results_when_told_and_takes_more_environment" {
  command = plan

  variables {
    results_retention_days = 90
    worker                 = { cpu = 2048, memory = 4096, environment = { BENCHMARK_MAX_CONCURRENT_ACTIVITIES = "400" } }
  }

  assert {
    condition     = one([for it in aws_s3_bucket_lifecycle_configuration.results.rule : it if it.id == "results"]).status == "Enabled" && one(one([for it in aws_s3_bucket_lifecycle_configuration.results.rule : it if it.id == "results"]).expiration).days == 90
    error_message = "Results go after the time set."
  }

  assert {
    condition     = local.worker_environment["BENCHMARK_MAX_CONCURRENT_ACTIVITIES"] == "400" && local.worker_environment["BENCHMARK_WORKER_COUNT"] == "2"
    error_message = "Workers get what was added."
  }
}
