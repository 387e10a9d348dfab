# What a profile does not say.
project            = "dev"
region             = "us-east-1"
account_id         = "123456789012"
ami_id             = "ami-0123456789abcdef0"
grafana_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:dev/grafana-AbCdEf"

images = {
  server    = "123456789012.dkr.ecr.us-east-1.amazonaws.com/dev/server@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  benchmark = "123456789012.dkr.ecr.us-east-1.amazonaws.com/dev/benchmark@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  ui        = "123456789012.dkr.ecr.us-east-1.amazonaws.com/dev/ui@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  grafana   = "123456789012.dkr.ecr.us-east-1.amazonaws.com/dev/grafana@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  collector = "123456789012.dkr.ecr.us-east-1.amazonaws.com/dev/collector@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
}
