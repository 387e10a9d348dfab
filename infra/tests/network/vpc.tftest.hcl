mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  project     = "demo"
  region      = "us-east-1"
  zones       = ["us-east-1a", "us-east-1b", "us-east-1c"]
  kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/logs"
  groups      = ["frontend", "history"]
  edges = {
    frontend-history = { from = "frontend", to = "history", port = 7234, description = "Requests" }
    history-logs     = { from = "history", to = "endpoint:logs", port = 443, description = "Logs" }
    history-s3       = { from = "history", to = "prefix:s3", port = 443, description = "Image layers" }
  }
}

run "private_by_default" {
  assert {
    condition     = [for zone in var.zones : aws_subnet.private[zone].cidr_block] == ["10.0.0.0/20", "10.0.16.0/20", "10.0.32.0/20"]
    error_message = "each zone gets a sixteenth of the range"
  }

  assert {
    condition     = output.private_subnet_ids == [for zone in var.zones : aws_subnet.private[zone].id]
    error_message = "subnets come in the order of zones"
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.private : !subnet.map_public_ip_on_launch])
    error_message = "nothing gets a public address"
  }

  assert {
    condition = (
      length(aws_internet_gateway.this) + length(aws_eip.nat) + length(aws_nat_gateway.this) + length(aws_subnet.public)
      + length(aws_route.public) + length(aws_route.nat)
    ) == 0
    error_message = "no way to the internet in endpoints mode"
  }

  assert {
    condition     = aws_vpc.this.enable_dns_hostnames && aws_vpc.this.enable_dns_support
    error_message = "private names of endpoints need DNS"
  }

  assert {
    condition     = aws_cloudwatch_log_group.flow.kms_key_id == var.kms_key_arn && aws_cloudwatch_log_group.flow.retention_in_days == 365
    error_message = "flow logs are encrypted and kept a year"
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.flow.policy).Statement[0].Resource == "${aws_cloudwatch_log_group.flow.arn}:*"
    error_message = "flow logs go to their own group only"
  }

  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL" && aws_flow_log.this.vpc_id == aws_vpc.this.id
    error_message = "all traffic of the VPC is logged"
  }
}

run "nat_in_each_zone" {
  variables {
    egress_mode = "nat"
    edges = {
      history-internet = { from = "history", to = "internet", port = 443, description = "What has no endpoint" }
    }
  }

  assert {
    condition     = alltrue([for zone in var.zones : aws_route.nat[zone].nat_gateway_id == aws_nat_gateway.this[zone].id])
    error_message = "each zone leaves by its own gateway"
  }

  assert {
    condition     = alltrue([for zone in var.zones : aws_nat_gateway.this[zone].subnet_id == aws_subnet.public[zone].id])
    error_message = "a gateway stands in its own zone"
  }

  assert {
    condition     = [for zone in var.zones : aws_subnet.public[zone].cidr_block] == ["10.0.240.0/24", "10.0.241.0/24", "10.0.242.0/24"]
    error_message = "public subnets lie apart from the private ones"
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.public : !subnet.map_public_ip_on_launch])
    error_message = "public subnets hold NAT gateways only"
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.edge["history-internet"].cidr_ipv4 == "0.0.0.0/0"
    error_message = "an edge to the internet opens 0.0.0.0/0"
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.edge) == 0
    error_message = "nothing comes in from the internet"
  }
}
