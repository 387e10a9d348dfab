# For a shell, where auroral is not at hand: `auroral cluster exec` and `forward` do the same.
locals {
  aws = "aws --region ${var.region}"

  first_task = { for name, one in local.contract_services : name =>
    "$(${local.aws} ecs list-tasks --cluster ${module.cluster.name} --service-name ${one.service} --query 'taskArns[0]' --output text)"
  }

  exec_commands = { for name, one in local.contract_services : name =>
    "${local.aws} ecs execute-command --cluster ${module.cluster.name} --task ${local.first_task[name]} --container ${one.container} --interactive --command /bin/sh"
    # The collector's image has no shell.
    if name != "collector"
  }

  forward_commands = { for name, port in { ui = 8080, grafana = 3000 } : name => join("; ", [
    "task=${local.first_task[name]}",
    "runtime=$(${local.aws} ecs describe-tasks --cluster ${module.cluster.name} --tasks \"$task\" --query \"tasks[0].containers[?name=='${name}'].runtimeId | [0]\" --output text)",
    "${local.aws} ssm start-session --target \"ecs:${module.cluster.name}_$${task##*/}_$runtime\" --document-name AWS-StartPortForwardingSession --parameters portNumber=${port},localPortNumber=${port}",
  ]) }
}

output "exec_commands" {
  description = "A shell in the first task of each service, by ECS Exec."
  value       = local.exec_commands
}

output "forward_commands" {
  description = "UI and Grafana on this machine: http://localhost:8080 and http://localhost:3000."
  value       = local.forward_commands
}
