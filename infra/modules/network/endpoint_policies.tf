locals {
  # An endpoint serves any account's credentials unless its policy says otherwise: data could leave by keys brought in.
  interface_policy = var.account_id == null ? null : jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OwnPrincipals"
      Effect    = "Allow"
      Principal = "*"
      Action    = "*"
      Resource  = "*"
      Condition = { StringEquals = { "aws:PrincipalAccount" = var.account_id } }
    }]
  })

  own_resources = {
    Sid       = "OwnPrincipalsAndResources"
    Effect    = "Allow"
    Principal = "*"
    Action    = "*"
    Resource  = "*"
    Condition = {
      StringEquals = { "aws:PrincipalAccount" = var.account_id, "aws:ResourceAccount" = var.account_id }
    }
  }

  # ECR hands out signed addresses of its own bucket for image layers: "Minimum Amazon S3 bucket permissions for
  # Amazon ECR", AWS, read in November 2026.
  image_layers = {
    Sid       = "ImageLayers"
    Effect    = "Allow"
    Principal = "*"
    Action    = "s3:GetObject"
    Resource  = "arn:aws:s3:::prod-${var.region}-starport-layer-bucket/*"
  }

  gateway_policies = {
    s3 = var.account_id == null ? null : jsonencode({
      Version = "2012-10-17", Statement = [local.own_resources, local.image_layers]
    })
    dynamodb = var.account_id == null ? null : jsonencode({
      Version = "2012-10-17", Statement = [local.own_resources]
    })
  }
}
