resource "aws_kms_key" "results" {
  description         = "Benchmark results of ${var.project}"
  enable_key_rotation = true

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Account"
      Effect    = "Allow"
      Principal = { AWS = "arn:${var.partition}:iam::${var.account_id}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}

resource "aws_kms_alias" "results" {
  name          = "alias/${var.project}-benchmark"
  target_key_id = aws_kms_key.results.key_id
}
