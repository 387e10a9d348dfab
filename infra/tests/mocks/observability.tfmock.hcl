mock_resource "aws_opensearch_domain" {
  defaults = {
    arn      = "arn:aws:es:us-east-1:123456789012:domain/mock"
    endpoint = "vpc-mock-abcdefghijklmnopqrstuvwxyz.us-east-1.es.amazonaws.com"
  }
}

mock_resource "aws_prometheus_workspace" {
  defaults = {
    id                  = "ws-00000000-0000-4000-8000-000000000000"
    arn                 = "arn:aws:aps:us-east-1:123456789012:workspace/ws-00000000-0000-4000-8000-000000000000"
    prometheus_endpoint = "https://aps-workspaces.us-east-1.amazonaws.com/workspaces/ws-00000000-0000-4000-8000-000000000000/"
  }
}

mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:us-east-1:123456789012:mock" }
}

mock_resource "aws_ssm_parameter" {
  defaults = { arn = "arn:aws:ssm:us-east-1:123456789012:parameter/mock" }
}
