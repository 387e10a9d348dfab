locals {
  zones = var.zones != null ? var.zones : [for letter in ["a", "b", "c"] : "${var.region}${letter}"]

  temporal_roles = ["history", "matching", "frontend", "worker"]

  grpc_ports       = { history = 7234, matching = 7235, frontend = 7233, worker = 7239 }
  membership_ports = { history = 6934, matching = 6935, frontend = 6933, worker = 6939 }
  metrics_port     = 9090

  # Of Service Connect, for tasks of services; of the private DNS namespace, for standalone tasks.
  frontend_address     = "temporal-frontend:${local.grpc_ports.frontend}"
  frontend_dns_address = "frontend.${module.cluster.dns_namespace_name}:${local.grpc_ports.frontend}"

  # A plan knows the name of a role, and so its ARN.
  role_arn_prefix = "arn:${var.partition}:iam::${var.account_id}:role/"

  # Repositories that the images come from; a registry outside of ECR needs none.
  ecr_images = [for image in values(var.images) : regex("^([0-9]{12})\\.dkr\\.ecr\\.([a-z0-9-]+)\\.[^/]+/([^@:]+)", image) if can(regex("^[0-9]{12}\\.dkr\\.ecr\\.", image))]
  repository_arns = length(local.ecr_images) == 0 ? ["arn:${var.partition}:ecr:${var.region}:${var.account_id}:repository/${var.project}/*"] : distinct([
    for it in local.ecr_images : "arn:${var.partition}:ecr:${it[1]}:${it[0]}:repository/${it[2]}"
  ])
}
