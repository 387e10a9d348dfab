resource "aws_ecs_service" "this" {
  count = var.desired == "service" ? 1 : 0

  name                               = "${var.project}-${var.name}"
  cluster                            = var.cluster_arn
  task_definition                    = aws_ecs_task_definition.this.arn
  desired_count                      = 0
  deployment_minimum_healthy_percent = var.min_healthy_percent
  deployment_maximum_percent         = var.max_percent
  availability_zone_rebalancing      = var.zone_rebalancing ? "ENABLED" : "DISABLED"
  enable_execute_command             = true
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"

  capacity_provider_strategy {
    capacity_provider = var.capacity_provider
    weight            = 1
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [var.group_id]
    assign_public_ip = false
  }

  ordered_placement_strategy {
    type  = "spread"
    field = "attribute:ecs.availability-zone"
  }

  ordered_placement_strategy {
    type  = "spread"
    field = "instanceId"
  }

  deployment_controller {
    type = "ECS"
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  alarms {
    enable      = true
    rollback    = true
    alarm_names = concat([aws_cloudwatch_metric_alarm.memory[0].alarm_name], var.rollback_alarm_names)
  }

  dynamic "service_connect_configuration" {
    for_each = var.service_connect == null ? [] : [var.service_connect]

    content {
      enabled   = true
      namespace = service_connect_configuration.value.namespace_arn

      log_configuration {
        log_driver = "awslogs"
        options    = merge(local.log_options, { awslogs-stream-prefix = "service-connect" })
      }

      # No appProtocol on the port: plain TCP, since HTTP and gRPC cut calls after 15 s and Temporal's polls last longer.
      dynamic "service" {
        for_each = service_connect_configuration.value.client_only ? [] : [service_connect_configuration.value]

        content {
          discovery_name = service.value.discovery_name
          port_name      = service.value.port_name

          client_alias {
            dns_name = service.value.discovery_name
            port     = one([for it in var.ports : it.port if it.name == service.value.port_name])
          }
        }
      }
    }
  }

  dynamic "service_registries" {
    for_each = aws_service_discovery_service.this[*].arn

    content {
      registry_arn = service_registries.value
    }
  }

  # The operator's: `auroral cluster scale` and `roll` set them inside the connection budget; an apply must not.
  lifecycle {
    ignore_changes = [desired_count, task_definition]
  }

  depends_on = [aws_iam_role_policy.exec, aws_iam_role_policy.execution, aws_iam_role_policy.task]
}
