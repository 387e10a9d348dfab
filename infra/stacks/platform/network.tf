module "network" {
  source = "../../modules/network"

  project                 = var.project
  region                  = var.region
  account_id              = var.account_id
  cidr                    = var.cidr
  zones                   = local.zones
  egress_mode             = var.egress_mode
  groups                  = local.parties
  edges                   = local.edges
  flow_log_retention_days = var.flow_log_retention_days
  kms_key_arn             = module.cluster.log_kms_key_arn
}
