resource "aws_vpc_endpoint" "this" {
  vpc_id              = var.vpc_id
  service_name        = local.service_name
  vpc_endpoint_type   = "Interface"
  subnet_ids          = var.subnet_ids
  security_group_ids  = [var.group_id]
  private_dns_enabled = true

  tags = { Name = "${var.project}-dsql" }
}

locals {
  # The last part of com.amazonaws.<region>.dsql-<suffix>.
  private_endpoint = "${local.identifier}.${reverse(split(".", local.service_name))[0]}.${var.region}.on.aws"
}
