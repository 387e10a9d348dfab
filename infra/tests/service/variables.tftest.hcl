mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  project             = "dev"
  region              = "us-east-1"
  account_id          = "123456789012"
  name                = "history"
  cluster_arn         = "arn:aws:ecs:us-east-1:123456789012:cluster/dev"
  cluster_name        = "dev"
  capacity_provider   = "dev-main"
  subnet_ids          = ["subnet-0a", "subnet-0b", "subnet-0c"]
  group_id            = "sg-0"
  image               = "123456789012.dkr.ecr.us-east-1.amazonaws.com/dev/server@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  cpu                 = 2048
  memory              = 8192
  health_check        = { command = ["CMD", "auroral-server", "health"] }
  planned_count       = 4
  min_healthy_percent = 75
  max_percent         = 100
  log_kms_key_arn     = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000000"
  exec_log_group      = "/ecs/dev/exec"
}

run "takes_a_task_without_capacity_and_health_check" {
  command = plan

  variables {
    desired           = "task"
    capacity_provider = null
    health_check      = null
  }
}

run "takes_every_limit" {
  command = plan

  variables {
    name                 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    cpu                  = 128
    memory               = 128
    log_retention_days   = 1
    planned_count        = 2
    min_healthy_percent  = 100
    max_percent          = 150
    zone_rebalancing     = true
    memory_alarm_percent = 100
    health_check         = { command = ["CMD-SHELL", "exit 0"], interval_s = 300, timeout_s = 60, retries = 10, start_period_s = 300 }
    user                 = "472"
    stop_timeout_s       = 2
    environment          = { TEMPORAL_TLS_SERVER_KEY = "/etc/key.pem" }
    tmpfs                = [{ path = "/tmp", size_mib = 127 }]
    secrets              = { GF_SECURITY_ADMIN_PASSWORD = "arn:aws:secretsmanager:us-east-1:123456789012:secret:dev/grafana-AbCdEf:admin_password::" }
  }
}

run "takes_a_deployment_by_one_less" {
  command = plan

  variables {
    planned_count       = 3
    min_healthy_percent = 66
    max_percent         = 100
  }
}

run "refuses_set_1" {
  command = plan

  variables {
    # refuses a project with an underscore
    project = "dev_1"
    # refuses an account alias
    account_id = "dev"
    # refuses a long name
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    # refuses a daemon
    desired = "daemon"
    # refuses a workload expression
    workload = "main or benchmark"
    # refuses a retention that logs does not know
    log_retention_days = 10
  }

  expect_failures = [var.project, var.account_id, var.name, var.desired, var.workload, var.log_retention_days]
}

run "refuses_the_name_of_the_exec_log_group" {
  command = plan

  variables {
    name = "exec"
  }

  expect_failures = [var.name]
}

run "refuses_set_3" {
  command = plan

  variables {
    # refuses a service without capacity
    capacity_provider = null
    # refuses no subnet
    subnet_ids = []
    # refuses vcpus for cpu units
    cpu = 2
    # refuses gib for mib
    memory = 8
    # refuses an image by tag
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/dev/server:latest"
    # refuses root
    user = "0"
    # refuses a variable with a dash
    environment = { "LOG-LEVEL" = "info" }
    # refuses a port above 65535
    ports = [{ name = "grpc", port = 72340 }]
    # refuses a service without health check
    health_check = null
    # refuses a stop timeout over 120 s
    stop_timeout_s = 121
    # refuses half a task
    planned_count = 1.5
    # refuses a healthy percentage over 100
    min_healthy_percent = 101
    max_percent         = 200
    # refuses an alarm below half
    memory_alarm_percent = 49
    # refuses a name with dots
    dns = { namespace_id = "ns-dns00000000000", name = "frontend.dev" }
    # refuses every action of a service
    task_policy_statements = [{ sid = "Connect", actions = ["dsql:*"], resources = ["arn:aws:dsql:us-east-1:123456789012:cluster/a"] }]
  }

  expect_failures = [var.capacity_provider, var.subnet_ids, var.cpu, var.memory, var.image, var.user, var.environment, var.ports, var.health_check, var.stop_timeout_s, var.planned_count, var.min_healthy_percent, var.memory_alarm_percent, var.dns, var.task_policy_statements]
}

run "refuses_set_4" {
  command = plan

  variables {
    # refuses root by name
    user = "root"
    # refuses a password in the environment
    environment = { POSTGRES_PWD = "x" }
    # refuses a port twice
    ports = [{ name = "grpc", port = 7234 }, { name = "metrics", port = 7234 }]
    # refuses a health check without cmd
    health_check = { command = ["auroral-server", "health"] }
    # refuses a relative folder
    tmpfs = [{ path = "tmp", size_mib = 64 }]
    # refuses more than double
    max_percent = 201
    # refuses to scale below the plan
    autoscale = { min = 1, max = 3 }
    # refuses a sid twice
    task_policy_statements = [{ sid = "A", actions = ["dsql:DbConnect"], resources = ["a"] }, { sid = "A", actions = ["dsql:DbConnect"], resources = ["b"] }]
  }

  expect_failures = [var.user, var.environment, var.ports, var.health_check, var.tmpfs, var.max_percent, var.autoscale, var.task_policy_statements]
}

run "refuses_set_5" {
  command = plan

  variables {
    # refuses a secret value
    secrets = { GF_SECURITY_ADMIN_PASSWORD = "hunter2" }
    # refuses an empty health check
    health_check = { command = [] }
    # refuses a folder of all memory
    tmpfs = [{ path = "/tmp", size_mib = 8192 }]
    # refuses a deployment that cannot replace a task
    planned_count       = 2
    min_healthy_percent = 66
    max_percent         = 149
    # refuses a server without a port
    service_connect = { namespace_arn = "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-http0000000000", discovery_name = "temporal-frontend", port_name = "grpc" }
    # refuses a statement without resources
    task_policy_statements = [{ sid = "A", actions = ["dsql:DbConnect"], resources = [] }]
  }

  expect_failures = [var.secrets, var.health_check, var.tmpfs, var.max_percent, var.service_connect, var.task_policy_statements]
}

run "refuses_set_6" {
  command = plan

  variables {
    # refuses a variable twice
    environment = { A = "1" }
    secrets     = { A = "arn:aws:ssm:us-east-1:123456789012:parameter/dev/a" }
    # refuses a start period over 300 s
    health_check = { command = ["CMD", "auroral-server", "health"], start_period_s = 301 }
    # refuses to scale from nothing
    autoscale = { min = 0, max = 6 }
    # refuses rebalancing in place
    zone_rebalancing = true
    # refuses a client with a name
    service_connect = { namespace_arn = "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-http0000000000", client_only = true, discovery_name = "temporal-frontend" }
  }

  expect_failures = [var.secrets, var.health_check, var.autoscale, var.zone_rebalancing, var.service_connect]
}

run "refuses_to_scale_a_task" {
  command = plan

  variables {
    desired   = "task"
    autoscale = { min = 1, max = 6 }
  }

  expect_failures = [var.autoscale]
}

run "refuses_to_aim_at_all_cpu" {
  command = plan

  variables {
    autoscale = { min = 4, max = 6, cpu_percent = 100 }
  }

  expect_failures = [var.autoscale]
}

run "refuses_service_connect_for_a_task" {
  command = plan

  variables {
    desired         = "task"
    service_connect = { namespace_arn = "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-http0000000000", client_only = true }
  }

  expect_failures = [var.service_connect]
}

run "refuses_a_name_for_a_task" {
  command = plan

  variables {
    desired = "task"
    dns     = { namespace_id = "ns-dns00000000000", name = "frontend" }
  }

  expect_failures = [var.dns]
}
