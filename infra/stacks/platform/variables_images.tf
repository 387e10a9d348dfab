variable "images" {
  description = "Every image by digest, as `auroral images push` writes them."
  type = object({
    server    = string
    benchmark = string
    ui        = string
    grafana   = string
    collector = string
  })
  nullable = false

  validation {
    condition     = alltrue([for image in values(var.images) : can(regex("^[a-z0-9][a-z0-9.:/_-]*@sha256:[0-9a-f]{64}$", image))])
    error_message = "Expected images by digest (repository@sha256:…), so that every task runs the same one, not so: ${join(", ", [for name, image in var.images : "${name} '${image}'" if !can(regex("^[a-z0-9][a-z0-9.:/_-]*@sha256:[0-9a-f]{64}$", image))])}. Set images from the file that `auroral images push` writes."
  }

  validation {
    condition     = var.egress_mode == "nat" || alltrue([for image in values(var.images) : can(regex("^[0-9]{12}\\.dkr\\.ecr\\.${var.region}\\.", image))])
    error_message = "Expected every image in ECR of ${var.region}, since egress_mode is endpoints and nothing else can be reached, not so: ${join(", ", [for name, image in var.images : "${name} '${image}'" if !can(regex("^[0-9]{12}\\.dkr\\.ecr\\.${var.region}\\.", image))])}. `auroral images push` mirrors them; or set egress_mode to nat."
  }
}

variable "ui_user" {
  description = "User and group of the UI's image, as numbers."
  type        = string
  default     = "1000:1000"
  nullable    = false
}

variable "grafana_secret_arn" {
  description = "Secret with admin_user and admin_password of Grafana, made outside of Terraform: auroral secrets grafana."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^:]+$", var.grafana_secret_arn))
    error_message = "Expected the ARN of a secret (arn:aws:secretsmanager:<region>:<account>:secret:<name>), never a value, got something else for grafana_secret_arn. `auroral secrets grafana` makes the secret and prints its ARN."
  }
}
