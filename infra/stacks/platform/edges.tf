# Who may call whom, and why. What no line names is closed, in both directions.
locals {
  task_parties = concat(local.temporal_roles, [
    "ui", "grafana", "collector", "schema", "operator", "visibility-setup", "benchmark-generator", "benchmark-worker",
  ])
  instance_parties = ["instances-main", "instances-benchmark"]
  parties          = concat(local.task_parties, local.instance_parties, ["opensearch", "dsql-endpoint"])

  edge_list = concat(
    local.membership_edges, local.temporal_edges, local.client_edges, local.store_edges, local.metrics_edges, local.exec_edges,
    local.instance_edges,
  )
  edges = { for it in local.edge_list : "${it.from}-to-${replace(it.to, ":", "-")}-${it.port}" => it }
}
