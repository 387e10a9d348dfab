# What can run at once, as src/auroral/capacity/budget.py has it; one service is deployed at a time.
locals {
  # ECS rounds maximumPercent down to whole tasks.
  surges = { for name, one in var.services :
    name => max(0, floor(one.autoscale_max * one.max_percent / 100) - one.autoscale_max)
  }
  scales = anytrue([for one in var.services : one.autoscale_max > one.planned_count])

  planned = [for name, one in var.services : { service = name, label = name, count = one.planned_count }]
  most    = [for name, one in var.services : { service = name, label = name, count = one.autoscale_max }]

  states = concat(
    [{ name = "planned", title = "as planned", terms = local.planned }],
    [for most in [local.most] : { name = "autoscaled", title = "at autoscaling's maximum", terms = most } if local.scales],
    [for name, surge in local.surges : {
      name  = "deploying-${name}"
      title = "while ${name} is deployed${local.scales ? " at autoscaling's maximum" : ""}"
      terms = concat(local.most, [{ service = name, label = "${name} (new)", count = surge }])
    } if surge > 0],
  )
}
