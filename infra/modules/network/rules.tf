locals {
  target_group_ids = merge(
    { for party, group in aws_security_group.party : party => group.id },
    { for name, group in aws_security_group.endpoint : "endpoint:${name}" => group.id },
  )
  target_prefix_list_ids = { for name, endpoint in aws_vpc_endpoint.gateway : "prefix:${name}" => endpoint.prefix_list_id }
}

resource "aws_vpc_security_group_egress_rule" "edge" {
  for_each = var.edges

  security_group_id            = local.target_group_ids[each.value.from]
  description                  = each.value.description
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  referenced_security_group_id = lookup(local.target_group_ids, each.value.to, null)
  prefix_list_id               = lookup(local.target_prefix_list_ids, each.value.to, null)
  cidr_ipv4                    = each.value.to == "internet" ? "0.0.0.0/0" : null

  tags = { Name = each.key }
}

resource "aws_vpc_security_group_ingress_rule" "edge" {
  for_each = { for key, edge in var.edges : key => edge if edge.to != "internet" && !startswith(edge.to, "prefix:") }

  security_group_id            = local.target_group_ids[each.value.to]
  description                  = each.value.description
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  referenced_security_group_id = local.target_group_ids[each.value.from]

  tags = { Name = each.key }
}
