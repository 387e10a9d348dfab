resource "aws_service_discovery_service" "this" {
  count = var.dns == null ? 0 : 1

  name = var.dns.name

  dns_config {
    namespace_id   = var.dns.namespace_id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = var.dns.ttl_s
    }
  }

  # ECS tells it of unhealthy tasks. An empty block would be left out.
  health_check_custom_config {
    failure_threshold = 1
  }
}
