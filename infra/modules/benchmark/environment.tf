locals {
  # Where workers run apart from the generator they agree on namespace and task queues.
  shared_environment = {
    BENCHMARK_NAMESPACE    = var.temporal_namespace
    BENCHMARK_TASK_QUEUES  = tostring(var.task_queues)
    BENCHMARK_METRICS_PORT = "9090"
  }

  # A task sees every core of its instance, so the number of processes is said: one for each of its own vCPUs.
  worker_environment = merge(local.shared_environment, {
    BENCHMARK_ADDRESS      = var.worker_address
    BENCHMARK_WORKER_ONLY  = "true"
    BENCHMARK_WORKER_COUNT = tostring(floor(var.worker.cpu / 1024))
  }, var.worker.environment)

  generator_environment = merge(local.shared_environment, {
    BENCHMARK_ADDRESS             = var.generator_address
    BENCHMARK_GENERATOR_ONLY      = "true"
    BENCHMARK_GENERATOR_PROCESSES = tostring(floor(var.generator.cpu / 1024) - 1)
    AURORAL_RESULTS_URL           = "s3://${local.bucket}/${local.prefix}"
  }, var.generator.environment)

  # Workers and generator answer here as long as their process lives.
  health_check = {
    command        = ["CMD", "python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9090/metrics', timeout=4)"]
    interval_s     = 15
    start_period_s = 60
  }
}
