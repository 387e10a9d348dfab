locals {
  store_edges = concat(
    [for from in local.temporal_roles : {
      from = from, to = "dsql-endpoint", port = 5432, description = "Store of Temporal, Aurora DSQL"
    }],
    [
      { from = "schema", to = "dsql-endpoint", port = 5432, description = "Makes the schema and the database roles" },
      { from = "operator", to = "dsql-endpoint", port = 5432, description = "Probes DSQL and cleans membership" },
    ],
    [for from in local.temporal_roles : {
      from = from, to = "opensearch", port = 443, description = "Visibility store of Temporal"
    }],
    [
      { from = "visibility-setup", to = "opensearch", port = 443, description = "Makes the index and maps roles" },
      { from = "benchmark-generator", to = "prefix:s3", port = 443, description = "Results are stored" },
    ],
    [for from in var.dsql.distributed_limiter ? local.temporal_roles : [] : {
      from = from, to = "prefix:dynamodb", port = 443, description = "The limit of connects a second that all share is counted here"
    }],
  )

  metrics_edges = concat(
    [for to in concat(local.temporal_roles, ["benchmark-generator", "benchmark-worker"]) : {
      from = "collector", to = to, port = local.metrics_port, description = "Every task is scraped at its own address"
    }],
    [
      { from = "collector", to = "endpoint:ecs", port = 443, description = "Finds the tasks to scrape" },
      { from = "collector", to = "endpoint:ec2", port = 443, description = "ecs_observer describes the instances of tasks, and stops where it may not" },
      { from = "collector", to = "endpoint:aps-workspaces", port = 443, description = "Writes metrics" },
      { from = "grafana", to = "endpoint:aps-workspaces", port = 443, description = "Queries metrics" },
      { from = "grafana", to = "endpoint:monitoring", port = 443, description = "Queries CloudWatch" },
      { from = "operator", to = "endpoint:monitoring", port = 443, description = "Asks CloudWatch for the count of DSQL connections" },
    ],
  )

  # The agent of a session runs in the task, with its address and role.
  exec_edges = flatten([for from in local.task_parties : [
    { from = from, to = "endpoint:ssmmessages", port = 443, description = "ECS Exec: the session" },
    { from = from, to = "endpoint:logs", port = 443, description = "ECS Exec: log of the session" },
    { from = from, to = "endpoint:kms", port = 443, description = "ECS Exec: encryption of the session" },
  ]])

  # Images, logs and secrets leave from the instance, not from the task.
  instance_edges = concat(
    flatten([for from in local.instance_parties : [
      { from = from, to = "endpoint:ecs", port = 443, description = "The ECS agent registers" },
      { from = from, to = "endpoint:ecs-agent", port = 443, description = "The ECS agent is told what to run" },
      { from = from, to = "endpoint:ecs-telemetry", port = 443, description = "The ECS agent reports" },
      { from = from, to = "endpoint:ecr.api", port = 443, description = "Images are found" },
      { from = from, to = "endpoint:ecr.dkr", port = 443, description = "Images are pulled" },
      { from = from, to = "prefix:s3", port = 443, description = "Image layers are kept in S3" },
      { from = from, to = "endpoint:logs", port = 443, description = "Logs of containers" },
    ]]),
    [
      { from = "instances-main", to = "endpoint:secretsmanager", port = 443, description = "Secret of Grafana" },
      { from = "instances-main", to = "endpoint:ssm", port = 443, description = "Configuration of the collector" },
    ],
    [for from in var.egress_mode == "nat" ? local.instance_parties : [] : {
      from = from, to = "internet", port = 443, description = "Images from registries outside of ECR"
    }],
  )
}
