data "aws_ssm_parameter" "image" {
  count = var.ami_id == null ? 1 : 0

  name = var.ami_ssm_parameter
}

locals {
  image_id = var.ami_id != null ? var.ami_id : data.aws_ssm_parameter.image[0].insecure_value
}
