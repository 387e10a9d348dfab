locals {
  state_bucket = "${var.project}-terraform-${var.account_id}-${var.region}"
}

# Terraform cannot delete a bucket that holds versions: state outlives a `destroy` by mistake.
resource "aws_s3_bucket" "state" {
  #checkov:skip=CKV_AWS_18:who reads the state is in CloudTrail; a bucket of access logs would need one of its own
  #checkov:skip=CKV_AWS_144:state describes one region; versions cover what a person can break
  #checkov:skip=CKV2_AWS_62:nothing waits for a change of the state
  bucket = local.state_bucket
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 365
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.state]
}
