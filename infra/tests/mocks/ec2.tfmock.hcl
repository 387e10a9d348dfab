mock_resource "aws_launch_template" {
  defaults = {
    id             = "lt-00000000000000000"
    arn            = "arn:aws:ec2:us-east-1:111122223333:launch-template/lt-00000000000000000"
    latest_version = 1
  }
}

mock_data "aws_default_tags" {
  defaults = {
    tags = { project = "test" }
  }
}
