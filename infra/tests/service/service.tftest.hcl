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
  group_id            = "sg-history"
  image               = "123456789012.dkr.ecr.us-east-1.amazonaws.com/dev/server@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  command             = ["run"]
  cpu                 = 2048
  memory              = 8192
  environment         = { TEMPORAL_SERVICES = "history" }
  secrets             = { KEY = "arn:aws:secretsmanager:us-east-1:123456789012:secret:dev/tls-AbCdEf:key::", CONFIG = "arn:aws:ssm:us-east-1:123456789012:parameter/dev/config" }
  ports               = [{ name = "grpc", port = 7234 }, { name = "membership", port = 6934 }, { name = "metrics", port = 9090 }]
  health_check        = { command = ["CMD", "auroral-server", "health"], start_period_s = 78 }
  planned_count       = 4
  min_healthy_percent = 75
  max_percent         = 100
  log_kms_key_arn     = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000000"
  exec_log_group      = "/ecs/dev/exec"

  task_policy_statements = [{
    sid        = "Connect"
    actions    = ["dsql:DbConnect"]
    resources  = ["arn:aws:dsql:us-east-1:123456789012:cluster/a"]
    conditions = [{ test = "StringEquals", variable = "aws:RequestedRegion", values = ["us-east-1"] }, { test = "StringEquals", variable = "aws:SourceVpc", values = ["vpc-0"] }]
  }]
}

run "registers_an_arm64_task_of_its_own_network" {
  command = apply

  assert {
    condition     = aws_ecs_task_definition.this.network_mode == "awsvpc" && aws_ecs_task_definition.this.requires_compatibilities == toset(["EC2"])
    error_message = "Tasks run on instances with an interface of their own."
  }

  assert {
    condition     = one(aws_ecs_task_definition.this.runtime_platform).cpu_architecture == "ARM64"
    error_message = "Tasks are ARM64."
  }

  assert {
    condition     = one(aws_ecs_task_definition.this.placement_constraints).expression == "attribute:workload == main"
    error_message = "Tasks are placed on their pool alone."
  }

  assert {
    condition     = aws_ecs_task_definition.this.skip_destroy && length(aws_ecs_task_definition.this.volume) == 0
    error_message = "Earlier revisions stay for a rollback, and nothing of the host is mounted."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].healthCheck == { command = ["CMD", "auroral-server", "health"], interval = 10, timeout = 5, retries = 3, startPeriod = 78 }
    error_message = "The health check is what was given."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment == [{ name = "AWS_REGION", value = "us-east-1" }, { name = "TEMPORAL_SERVICES", value = "history" }]
    error_message = "The environment has the region too."
  }

  assert {
    condition     = [for it in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets : it.name] == ["CONFIG", "KEY"]
    error_message = "Secrets are references."
  }

  assert {
    condition     = alltrue([for it in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].portMappings : it.protocol == "tcp" && !can(it.appProtocol) && it.hostPort == it.containerPort])
    error_message = "Ports are plain TCP."
  }

  assert {
    condition = alltrue([
      jsondecode(aws_ecs_task_definition.this.container_definitions)[0].user == "10001:10001",
      jsondecode(aws_ecs_task_definition.this.container_definitions)[0].privileged == false,
      jsondecode(aws_ecs_task_definition.this.container_definitions)[0].essential,
      jsondecode(aws_ecs_task_definition.this.container_definitions)[0].stopTimeout == 120,
      jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command == ["run"],
      !can(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].entryPoint),
      !can(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].mountPoints),
    ])
    error_message = "The container is not root, has time to stop and the image's entry point, got ${aws_ecs_task_definition.this.container_definitions}"
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].linuxParameters.initProcessEnabled && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem == false
    error_message = "ECS Exec finds an init process and a file system that can be written."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].logConfiguration.logDriver == "awslogs" && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].logConfiguration.options["awslogs-group"] == "/ecs/dev/history"
    error_message = "The log goes to the service's group."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.kms_key_id == var.log_kms_key_arn && aws_cloudwatch_log_group.this.retention_in_days == 30
    error_message = "The log group has a key and a retention."
  }

  assert {
    condition     = aws_ecs_service.this[0].desired_count == 0 && output.planned_count == 4
    error_message = "Nothing runs until the operator starts it."
  }

  assert {
    condition     = aws_ecs_service.this[0].deployment_minimum_healthy_percent == 75 && aws_ecs_service.this[0].deployment_maximum_percent == 100 && aws_ecs_service.this[0].availability_zone_rebalancing == "DISABLED"
    error_message = "Deployments keep to the percentages given."
  }

  assert {
    condition     = one(aws_ecs_service.this[0].deployment_circuit_breaker).enable && one(aws_ecs_service.this[0].deployment_circuit_breaker).rollback
    error_message = "A failed deployment is rolled back."
  }

  assert {
    condition     = one(aws_ecs_service.this[0].alarms).enable && one(aws_ecs_service.this[0].alarms).rollback && one(aws_ecs_service.this[0].alarms).alarm_names == toset(["dev-history-memory"])
    error_message = "So is one that raises the alarm."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.memory[0].dimensions == tomap({ ClusterName = "dev", ServiceName = "dev-history" }) && aws_cloudwatch_metric_alarm.memory[0].treat_missing_data == "notBreaching"
    error_message = "The alarm watches this service, and is silent where nothing runs."
  }

  assert {
    condition     = one(aws_ecs_service.this[0].network_configuration).assign_public_ip == false && one(aws_ecs_service.this[0].network_configuration).security_groups == toset(["sg-history"])
    error_message = "Tasks have no public address and the one group."
  }

  assert {
    condition     = [for it in aws_ecs_service.this[0].ordered_placement_strategy : it.field] == ["attribute:ecs.availability-zone", "instanceId"]
    error_message = "Tasks spread over zones, then over instances."
  }

  assert {
    condition     = one(aws_ecs_service.this[0].capacity_provider_strategy).capacity_provider == "dev-main" && aws_ecs_service.this[0].enable_execute_command
    error_message = "Tasks run on the pool and can be entered."
  }

  assert {
    condition     = length(aws_ecs_service.this[0].service_connect_configuration) == 0 && length(aws_ecs_service.this[0].service_registries) == 0 && length(aws_appautoscaling_target.this) == 0
    error_message = "Ring members call each other by address: no Service Connect, no name, no scaling unless asked."
  }
}

run "registers_with_service_connect_and_dns" {
  command = plan

  variables {
    name                 = "frontend"
    ports                = [{ name = "grpc", port = 7233 }]
    service_connect      = { namespace_arn = "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-http0000000000", discovery_name = "temporal-frontend", port_name = "grpc" }
    dns                  = { namespace_id = "ns-dns00000000000", name = "frontend" }
    autoscale            = { min = 3, max = 6 }
    rollback_alarm_names = ["dev-frontend-errors"]
    alarm_topic_arn      = "arn:aws:sns:us-east-1:123456789012:dev-alarms"
  }

  assert {
    condition     = one(one(one(aws_ecs_service.this[0].service_connect_configuration).service).client_alias).dns_name == "temporal-frontend" && one(one(one(aws_ecs_service.this[0].service_connect_configuration).service).client_alias).port == 7233
    error_message = "Clients reach it under its name."
  }

  assert {
    condition     = one(one(aws_ecs_service.this[0].service_connect_configuration).log_configuration).log_driver == "awslogs"
    error_message = "The proxy logs too."
  }

  assert {
    condition     = one(aws_service_discovery_service.this[0].dns_config).routing_policy == "MULTIVALUE" && one(one(aws_service_discovery_service.this[0].dns_config).dns_records).type == "A" && one(one(aws_service_discovery_service.this[0].dns_config).dns_records).ttl == 10
    error_message = "The name answers with the tasks' addresses."
  }

  assert {
    condition     = length(aws_ecs_service.this[0].service_registries) == 1
    error_message = "Tasks are registered under the name."
  }

  assert {
    condition     = aws_appautoscaling_target.this[0].min_capacity == 3 && aws_appautoscaling_target.this[0].max_capacity == 6 && aws_appautoscaling_target.this[0].resource_id == "service/dev/dev-frontend"
    error_message = "The service scales within its bounds."
  }

  assert {
    condition     = one(aws_ecs_service.this[0].alarms).alarm_names == toset(["dev-frontend-memory", "dev-frontend-errors"]) && aws_cloudwatch_metric_alarm.memory[0].alarm_actions == toset(["arn:aws:sns:us-east-1:123456789012:dev-alarms"])
    error_message = "Further alarms roll back too, and the topic hears."
  }
}

run "is_a_client_only" {
  command = plan

  variables {
    service_connect = { namespace_arn = "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-http0000000000", client_only = true }
  }

  assert {
    condition     = one(aws_ecs_service.this[0].service_connect_configuration).enabled && length(one(aws_ecs_service.this[0].service_connect_configuration).service) == 0
    error_message = "A client offers nothing."
  }
}

run "makes_no_service_of_a_task" {
  command = apply

  variables {
    name              = "schema"
    desired           = "task"
    capacity_provider = null
    health_check      = null
    entry_point       = ["auroral-schema"]
    command           = ["setup"]
    tmpfs             = [{ path = "/tmp/work", size_mib = 64 }]
  }

  assert {
    condition     = length(aws_ecs_service.this) == 0 && length(aws_cloudwatch_metric_alarm.memory) == 0 && output.service_name == null && output.planned_count == 0
    error_message = "A task has no service."
  }

  assert {
    condition     = output.task_family == "dev-schema" && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].entryPoint == ["auroral-schema"] && !can(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].healthCheck)
    error_message = "It has a family, and its own entry point."
  }

  assert {
    condition     = one(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].linuxParameters.tmpfs) == { containerPath = "/tmp/work", size = 64, mountOptions = ["rw", "noexec", "nosuid", "mode=1777"] }
    error_message = "It has a folder in memory."
  }
}
