terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0, < 6.0.0"
    }
  }

  # The bootstrap stack's output `backend` has the rest: terraform init -backend-config=…
  backend "s3" {
    use_lockfile = true
    encrypt      = true
  }
}
