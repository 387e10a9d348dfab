# Reads every profile, for the tests of the stack: a test file cannot decode variables itself.
terraform {
  required_version = ">= 1.11"

  required_providers {
    terraform = {
      source = "terraform.io/builtin/terraform"
    }
  }
}

output "by_name" {
  description = "The variables of each profile."
  value = { for file in fileset("${path.module}/../../../profiles", "*.tfvars") :
    trimsuffix(file, ".tfvars") => provider::terraform::decode_tfvars(file("${path.module}/../../../profiles/${file}"))
  }
}
