mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  project     = "demo"
  region      = "us-east-1"
  zones       = ["us-east-1a", "us-east-1b", "us-east-1c"]
  kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/logs"
  groups      = ["frontend", "history", "dsql-endpoint"]
  edges = {
    frontend-history = { from = "frontend", to = "history", port = 7234, description = "Requests" }
    history-ring     = { from = "history", to = "history", port = 6934, description = "Membership" }
    history-dsql     = { from = "history", to = "dsql-endpoint", port = 5432, description = "Persistence" }
    history-logs     = { from = "history", to = "endpoint:ecr.api", port = 443, description = "Images" }
    history-s3       = { from = "history", to = "prefix:s3", port = 443, description = "Image layers" }
    history-dynamodb = { from = "history", to = "prefix:dynamodb", port = 443, description = "Limiter" }
  }
}

run "every_edge_opens_both_sides" {
  assert {
    condition     = toset(keys(aws_vpc_security_group_egress_rule.edge)) == toset(keys(var.edges))
    error_message = "each edge has an egress rule"
  }

  assert {
    condition     = toset(keys(aws_vpc_security_group_ingress_rule.edge)) == toset(["frontend-history", "history-ring", "history-dsql", "history-logs"])
    error_message = "each edge to a group has an ingress rule; prefix lists have none"
  }

  assert {
    condition = alltrue([for key, edge in var.edges :
      aws_vpc_security_group_egress_rule.edge[key].security_group_id == output.group_ids[edge.from]
      && aws_vpc_security_group_egress_rule.edge[key].from_port == edge.port
      && aws_vpc_security_group_egress_rule.edge[key].to_port == edge.port
      && aws_vpc_security_group_egress_rule.edge[key].ip_protocol == "tcp"
      && aws_vpc_security_group_egress_rule.edge[key].description == edge.description
      && aws_vpc_security_group_egress_rule.edge[key].cidr_ipv4 == null
    ])
    error_message = "an egress rule opens its edge's port at `from`, and no address range"
  }

  assert {
    condition = alltrue([for key, rule in aws_vpc_security_group_ingress_rule.edge :
      rule.referenced_security_group_id == output.group_ids[var.edges[key].from]
      && rule.from_port == var.edges[key].port && rule.to_port == var.edges[key].port && rule.ip_protocol == "tcp"
      && rule.cidr_ipv4 == null && rule.prefix_list_id == null
    ])
    error_message = "an ingress rule admits its edge's caller on its port, and no address range"
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.edge["history-logs"].security_group_id == output.endpoint_group_ids["ecr.api"]
    error_message = "an endpoint's group admits its callers"
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.edge["history-logs"].referenced_security_group_id == output.endpoint_group_ids["ecr.api"]
    error_message = "a caller may leave to the endpoint's group"
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.edge["history-ring"].security_group_id == output.group_ids["history"]
    error_message = "ring members admit each other"
  }

  assert {
    condition = (
      aws_vpc_security_group_egress_rule.edge["history-s3"].prefix_list_id == output.prefix_list_ids["s3"]
      && aws_vpc_security_group_egress_rule.edge["history-dynamodb"].prefix_list_id == output.prefix_list_ids["dynamodb"]
      && aws_vpc_security_group_egress_rule.edge["history-s3"].referenced_security_group_id == null
    )
    error_message = "gateway endpoints are reached by their prefix lists"
  }

  assert {
    condition     = alltrue([for group in aws_security_group.party : length(group.ingress) == 0 && length(group.egress) == 0])
    error_message = "no rule stands inside a group"
  }

  assert {
    condition     = output.edges == var.edges
    error_message = "the table comes out as it went in"
  }
}

run "a_party_without_edges_reaches_nothing" {
  command = plan

  variables {
    groups = ["lonely"]
    edges  = {}
  }

  assert {
    condition     = length(aws_security_group.party) == 1 && length(aws_vpc_security_group_egress_rule.edge) == 0
    error_message = "no edge, no rule"
  }
}
