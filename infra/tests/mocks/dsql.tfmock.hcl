mock_resource "aws_dsql_cluster" {
  defaults = {
    identifier                = "abcdefghijklmnopqrstuvwxyz"
    arn                       = "arn:aws:dsql:us-east-1:123456789012:cluster/abcdefghijklmnopqrstuvwxyz"
    vpc_endpoint_service_name = "com.amazonaws.us-east-1.dsql-abcd"
  }
}

mock_resource "aws_dynamodb_table" {
  defaults = { arn = "arn:aws:dynamodb:us-east-1:123456789012:table/mock" }
}

mock_resource "aws_backup_vault" {
  defaults = { arn = "arn:aws:backup:us-east-1:123456789012:backup-vault:mock" }
}
