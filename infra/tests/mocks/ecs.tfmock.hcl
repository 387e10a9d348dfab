mock_resource "aws_ecs_cluster" {
  defaults = {
    arn = "arn:aws:ecs:us-east-1:123456789012:cluster/test"
  }
}

mock_resource "aws_ecs_capacity_provider" {
  defaults = {
    arn = "arn:aws:ecs:us-east-1:123456789012:capacity-provider/test-main"
  }
}

mock_resource "aws_ecs_task_definition" {
  defaults = {
    arn                  = "arn:aws:ecs:us-east-1:123456789012:task-definition/test:1"
    arn_without_revision = "arn:aws:ecs:us-east-1:123456789012:task-definition/test"
    revision             = 1
  }
}

mock_resource "aws_ecs_service" {
  defaults = {
    id = "arn:aws:ecs:us-east-1:123456789012:service/test/test"
  }
}

mock_resource "aws_service_discovery_http_namespace" {
  defaults = {
    arn = "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-http0000000000"
  }
}

mock_resource "aws_service_discovery_private_dns_namespace" {
  defaults = {
    id  = "ns-dns00000000000"
    arn = "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-dns00000000000"
  }
}

mock_resource "aws_service_discovery_service" {
  defaults = {
    arn = "arn:aws:servicediscovery:us-east-1:123456789012:service/srv-000000000000000"
  }
}

mock_resource "aws_appautoscaling_target" {
  defaults = {
    arn = "arn:aws:application-autoscaling:us-east-1:123456789012:scalable-target/mock"
  }
}
