resource "aws_s3_bucket_lifecycle_configuration" "results" {
  bucket = aws_s3_bucket.results.id

  rule {
    id     = "leftovers"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    noncurrent_version_expiration {
      noncurrent_days = 30
    }
  }

  rule {
    id     = "results"
    status = var.results_retention_days == null ? "Disabled" : "Enabled"

    filter {
      prefix = local.prefix
    }

    expiration {
      days = coalesce(var.results_retention_days, 365)
    }
  }

  depends_on = [aws_s3_bucket_versioning.results]
}
