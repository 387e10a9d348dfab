locals {
  # Ring members find each other by task address: service/…/membership in Temporal 1.32.2.
  membership_edges = flatten([for from in local.temporal_roles : [for to in local.temporal_roles : {
    from = from, to = to, port = local.membership_ports[to], description = "Membership: every ring member speaks with every other"
  }]])

  # Read from Temporal 1.32.2: the clients that service/{frontend,history,matching,worker} make.
  temporal_edges = [
    { from = "frontend", to = "history", port = 7234, description = "A call about a workflow goes to the owner of its shard" },
    { from = "frontend", to = "matching", port = 7235, description = "Pollers wait at the owner of their task queue" },
    { from = "frontend", to = "frontend", port = 7233, description = "Temporal itself begins workflows at a frontend, such as the deletion of a namespace" },
    { from = "history", to = "history", port = 7234, description = "Workflows signal and start those of other shards" },
    { from = "history", to = "matching", port = 7235, description = "Tasks are queued" },
    { from = "history", to = "frontend", port = 7233, description = "The close policy for many children begins a workflow of Temporal itself" },
    { from = "history", to = "frontend", port = 7243, description = "Nexus operations and callbacks within the cluster go over HTTP of the frontend" },
    { from = "matching", to = "matching", port = 7235, description = "Partitions of a task queue forward to their root" },
    { from = "matching", to = "history", port = 7234, description = "A task that is handed out is recorded" },
    { from = "worker", to = "frontend", port = 7233, description = "Workers of Temporal itself poll" },
    { from = "worker", to = "history", port = 7234, description = "Scanners, batches and schedules act on workflows" },
    { from = "worker", to = "matching", port = 7235, description = "Scavengers and deployments ask for task queues" },
  ]

  client_edges = [
    { from = "ui", to = "frontend", port = 7233, description = "The UI shows what the frontend answers" },
    { from = "benchmark-generator", to = "frontend", port = 7233, description = "The generator starts and watches workflows" },
    { from = "benchmark-worker", to = "frontend", port = 7233, description = "Workers of the benchmark poll" },
  ]
}
