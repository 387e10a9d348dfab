resource "aws_s3_bucket_public_access_block" "state" {
  bucket = aws_s3_bucket.state.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_policy" "state" {
  bucket = aws_s3_bucket.state.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for refusal in [
      { sid = "RefusePlainHttp", condition = { Bool = { "aws:SecureTransport" = "false" } } },
      { sid = "RefuseOldTls", condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } } },
      ] : {
      Sid       = refusal.sid
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = ["arn:${var.partition}:s3:::${local.state_bucket}", "arn:${var.partition}:s3:::${local.state_bucket}/*"]
      Condition = refusal.condition
    }]
  })

  # S3 refuses two changes of a bucket's access at once.
  depends_on = [aws_s3_bucket_public_access_block.state]
}
