# A provider's default tags do not reach what an Auto Scaling group launches.
data "aws_default_tags" "this" {}

resource "aws_launch_template" "this" {
  name                   = "${var.project}-${var.name}"
  image_id               = local.image_id
  instance_type          = var.instance_type
  vpc_security_group_ids = var.group_ids
  user_data              = base64encode(local.user_data)
  update_default_version = true
  ebs_optimized          = true

  iam_instance_profile {
    arn = aws_iam_instance_profile.this.arn
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  monitoring {
    enabled = true
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = var.disk_gib
      encrypted             = true
      delete_on_termination = true
    }
  }

  dynamic "tag_specifications" {
    for_each = toset(["instance", "volume"])

    content {
      resource_type = tag_specifications.value
      tags          = merge(data.aws_default_tags.this.tags, { Name = "${var.project}-${var.name}" })
    }
  }
}
