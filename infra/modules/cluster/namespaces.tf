resource "aws_service_discovery_http_namespace" "this" {
  name        = var.project
  description = "Service Connect of ${var.project}"
}

# For standalone tasks: Service Connect is a parameter of CreateService, not of RunTask.
resource "aws_service_discovery_private_dns_namespace" "this" {
  name        = "${var.project}.internal"
  description = "DNS names of ${var.project}'s services"
  vpc         = var.vpc_id
}
