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

run "takes_the_least_benchmark" {
  command = plan

  variables {
    worker                 = { cpu = 1024, planned_count = 1 }
    generator              = { cpu = 2048 }
    results_retention_days = 1
    temporal_namespace     = "benchmark-2"
    task_queues            = 100
  }
}

run "refuses_set_1" {
  command = plan

  variables {
    # refuses a project that begins with a digit
    project = "1dev"
    # refuses an account alias
    account_id = "dev"
    # refuses a worker address without port
    worker_address = "temporal-frontend"
    # refuses service connect for the generator
    generator_address = "temporal-frontend:7233"
    # refuses another namespace
    temporal_namespace = "default"
    # refuses no task queue
    task_queues = 0
    # refuses a worker of half a vcpu
    worker = { cpu = 512 }
    # refuses a generator of one vcpu
    generator = { cpu = 1024 }
    # refuses to keep results for no day
    results_retention_days = 0
  }

  expect_failures = [var.project, var.account_id, var.worker_address, var.generator_address, var.temporal_namespace, var.task_queues, var.worker, var.generator, var.results_retention_days]
}

run "refuses_no_worker" {
  command = plan

  variables {
    worker = { planned_count = 0 }
  }

  expect_failures = [var.worker]
}
