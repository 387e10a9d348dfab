mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  project     = "demo"
  region      = "us-east-1"
  zones       = ["us-east-1a", "us-east-1b", "us-east-1c"]
  kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/logs"
  groups      = ["history"]
  edges       = {}
}

run "all_that_ecs_on_ec2_needs" {
  assert {
    condition = toset(keys(aws_vpc_endpoint.interface)) == toset([
      "aps-workspaces", "ec2", "ec2messages", "ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "kms", "logs",
      "monitoring", "secretsmanager", "ssm", "ssmmessages", "sts",
    ])
    error_message = "the default set is complete"
  }

  assert {
    condition = alltrue([for name, endpoint in aws_vpc_endpoint.interface :
      endpoint.service_name == "com.amazonaws.us-east-1.${name}" && endpoint.private_dns_enabled
      && toset(endpoint.subnet_ids) == toset(output.private_subnet_ids)
      && endpoint.security_group_ids == toset([output.endpoint_group_ids[name]])
    ])
    error_message = "each answers under AWS's own name, in every zone, behind a group of its own"
  }

  assert {
    condition     = length(distinct(values(aws_security_group.endpoint)[*].name)) == 15
    error_message = "each endpoint has a group of its own"
  }

  assert {
    condition     = alltrue([for gateway in aws_vpc_endpoint.gateway : length(gateway.route_table_ids) == 3])
    error_message = "gateways serve the route table of each zone"
  }

  assert {
    condition     = toset(keys(output.endpoint_ids)) == setunion(keys(aws_vpc_endpoint.interface), ["s3", "dynamodb"])
    error_message = "every endpoint comes out"
  }
}

run "strangers_credentials_are_refused" {
  command = plan

  variables {
    account_id = "123456789012"
  }

  assert {
    condition = alltrue([for endpoint in aws_vpc_endpoint.interface :
      jsondecode(endpoint.policy).Statement[0].Condition.StringEquals["aws:PrincipalAccount"] == "123456789012"
    ])
    error_message = "an interface endpoint serves principals of the account only"
  }

  assert {
    condition     = jsondecode(aws_vpc_endpoint.gateway["dynamodb"].policy).Statement[*].Sid == ["OwnPrincipalsAndResources"]
    error_message = "tables of other accounts cannot be reached"
  }

  assert {
    condition     = jsondecode(aws_vpc_endpoint.gateway["s3"].policy).Statement[1].Resource == "arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*"
    error_message = "beside the account's own buckets only ECR's layers can be reached"
  }
}

run "fewer_endpoints_with_nat" {
  command = plan

  variables {
    egress_mode         = "nat"
    interface_endpoints = []
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface) == 0 && length(aws_vpc_endpoint.gateway) == 2
    error_message = "gateway endpoints stay: they cost nothing"
  }
}
