module "observability" {
  source = "../../modules/observability"

  project      = var.project
  region       = var.region
  account_id   = var.account_id
  partition    = var.partition
  emails       = var.alarm_emails
  cluster_name = module.cluster.name
  services     = keys(var.services)
  pools        = module.cluster.capacity_providers
  dsql         = { identifier = module.dsql.identifier, connections = var.dsql_cluster.limits.connections }
  thresholds   = var.alarm_thresholds

  opensearch = {
    domain_name    = module.visibility.domain_name
    instance_count = module.visibility.instance_count
    volume_gib     = module.visibility.volume_gib
  }
}
