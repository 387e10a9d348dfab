locals {
  environment = merge({ AWS_REGION = var.region }, var.environment)

  health_check = var.health_check == null ? null : {
    command     = var.health_check.command
    interval    = var.health_check.interval_s
    timeout     = var.health_check.timeout_s
    retries     = var.health_check.retries
    startPeriod = var.health_check.start_period_s
  }

  # A log that cannot be written must not hold the process up: non-blocking.
  log_options = {
    awslogs-group   = aws_cloudwatch_log_group.this.name
    awslogs-region  = var.region
    mode            = "non-blocking"
    max-buffer-size = "25m"
  }

  container = {
    name        = var.name
    image       = var.image
    essential   = true
    user        = var.user
    privileged  = false
    stopTimeout = var.stop_timeout_s

    # ECS Exec does not work on a root file system that cannot be written.
    readonlyRootFilesystem = false

    entryPoint   = var.entry_point
    command      = var.command
    environment  = [for key in sort(keys(local.environment)) : { name = key, value = local.environment[key] }]
    secrets      = [for key in sort(keys(var.secrets)) : { name = key, valueFrom = var.secrets[key] }]
    portMappings = [for it in var.ports : { name = it.name, containerPort = it.port, hostPort = it.port, protocol = "tcp" }]
    healthCheck  = local.health_check
    ulimits      = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]

    linuxParameters = {
      initProcessEnabled = true
      capabilities       = { add = [], drop = ["MKNOD", "NET_RAW"] }
      tmpfs              = [for it in var.tmpfs : { containerPath = it.path, size = it.size_mib, mountOptions = ["rw", "noexec", "nosuid", "mode=1777"] }]
    }

    logConfiguration = {
      logDriver = "awslogs"
      options   = merge(local.log_options, { awslogs-stream-prefix = var.name })
    }
  }
}

resource "aws_ecs_task_definition" "this" {
  #checkov:skip=CKV_AWS_336:ECS Exec does not work on a root file system that cannot be written.
  family                   = "${var.project}-${var.name}"
  requires_compatibilities = ["EC2"]
  network_mode             = "awsvpc"
  cpu                      = tostring(var.cpu)
  memory                   = tostring(var.memory)
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn
  container_definitions    = jsonencode([{ for key, value in local.container : key => value if value != null }])

  # The service goes on with the last deployed revision until `auroral cluster roll`, and must be able to return to it.
  skip_destroy = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "ARM64"
  }

  placement_constraints {
    type       = "memberOf"
    expression = "attribute:workload == ${var.workload}"
  }
}
