locals {
  prefix     = "runs/"
  bucket     = "${var.project}-benchmark-${var.account_id}-${var.region}"
  bucket_arn = "arn:${var.partition}:s3:::${local.bucket}"
}

resource "aws_s3_bucket" "results" {
  #checkov:skip=CKV_AWS_18:Results of benchmarks are no one's private data; who reads them is not recorded.
  #checkov:skip=CKV_AWS_144:A result that is lost is measured again; nothing depends on a second region.
  #checkov:skip=CKV2_AWS_62:Nothing acts on new results; `auroral bench remote` asks for them.
  bucket = local.bucket
}

resource "aws_s3_bucket_versioning" "results" {
  bucket = aws_s3_bucket.results.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_ownership_controls" "results" {
  bucket = aws_s3_bucket.results.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "results" {
  bucket = aws_s3_bucket.results.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "results" {
  bucket = aws_s3_bucket.results.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.results.arn
    }
  }
}
