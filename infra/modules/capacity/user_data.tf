locals {
  # The ECS agent's own names: amazon-ecs-agent, README, environment variables.
  agent = {
    ECS_CLUSTER                               = var.cluster_name
    ECS_INSTANCE_ATTRIBUTES                   = jsonencode(merge(var.attributes, { workload = var.name }))
    ECS_RESERVED_MEMORY                       = var.reserved_memory_mib
    ECS_AWSVPC_BLOCK_IMDS                     = true
    ECS_DISABLE_PRIVILEGED                    = true
    ECS_ENABLE_TASK_IAM_ROLE                  = true
    ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE = true
    ECS_IMAGE_PULL_BEHAVIOR                   = "prefer-cached"
    ECS_CONTAINER_STOP_TIMEOUT                = "2m"
  }

  user_data = join("\n", concat(
    ["#!/bin/bash", "set -euo pipefail", "cat >> /etc/ecs/ecs.config <<'CONFIG'"],
    [for key, value in local.agent : "${key}=${value}"],
    ["CONFIG", ""],
  ))
}
