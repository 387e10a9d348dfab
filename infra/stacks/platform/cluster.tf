module "cluster" {
  source = "../../modules/cluster"

  project            = var.project
  region             = var.region
  account_id         = var.account_id
  partition          = var.partition
  vpc_id             = module.network.vpc_id
  capacity_providers = { for name, pool in module.capacity : name => pool.capacity_provider_name }
  container_insights = var.container_insights
  log_retention_days = var.log_retention_days
}

module "capacity" {
  source   = "../../modules/capacity"
  for_each = var.capacity_pools

  project         = var.project
  region          = var.region
  account_id      = var.account_id
  partition       = var.partition
  name            = each.key
  cluster_name    = module.cluster.name
  instance_type   = each.value.instance_type
  min             = each.value.min
  max             = each.value.max
  desired         = each.value.desired
  subnet_ids      = module.network.private_subnet_ids
  group_ids       = [module.network.group_ids["instances-${each.key}"]]
  repository_arns = local.repository_arns
  ami_id          = var.ami_id
}
