mock_resource "aws_service_discovery_http_namespace" {
  defaults = {
    arn = "arn:aws:servicediscovery:us-east-1:111122223333:namespace/ns-http0000000000"
  }
}

mock_resource "aws_service_discovery_private_dns_namespace" {
  defaults = {
    id  = "ns-dns00000000000"
    arn = "arn:aws:servicediscovery:us-east-1:111122223333:namespace/ns-dns00000000000"
  }
}

mock_resource "aws_service_discovery_service" {
  defaults = {
    arn = "arn:aws:servicediscovery:us-east-1:111122223333:service/srv-000000000000000"
  }
}
