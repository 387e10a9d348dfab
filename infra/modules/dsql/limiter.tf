# One item for each second, gone after minutes: nothing to restore, and nothing secret. A key of one's own would only
# ask every task role for its use, and a lost key would stop new connections.
resource "aws_dynamodb_table" "limiter" {
  #checkov:skip=CKV_AWS_28:counters of single seconds; a restore would bring back seconds that are over
  #checkov:skip=CKV_AWS_119:AWS's key for DynamoDB encrypts it; the counters are no secret
  #checkov:skip=CKV2_AWS_16:billed by request, which scales by itself
  name         = local.limiter_table_name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "pk"

  attribute {
    name = "pk"
    type = "S"
  }

  ttl {
    attribute_name = "ttl_epoch"
    enabled        = true
  }

  server_side_encryption {
    enabled = true
  }

  tags = { Name = local.limiter_table_name }
}

locals {
  limiter_table_name = "${var.project}-dsql-rate-limiter"
  limiter_table_arn = (
    var.account_id == null
    ? aws_dynamodb_table.limiter.arn
    : "arn:${var.partition}:dynamodb:${var.region}:${var.account_id}:table/${local.limiter_table_name}"
  )
}
