# Everything of one region: network, media nodes, TURN nodes, alarms.

locals {
  name  = "${var.name}-${var.region}"
  names = var.names == null ? null : var.names[var.region]
}

module "network" {
  source = "../network"

  name  = local.name
  cidr  = var.settings.cidr
  zones = var.settings.zones
}

module "media_node" {
  source = "../media-node"

  name          = local.name
  region        = var.region
  edge          = var.edge
  vpc_id        = module.network.vpc_id
  subnet_ids    = module.network.subnet_ids
  architecture  = var.settings.media_node.architecture
  instance_type = var.settings.media_node.instance_type
  shards        = var.settings.media_node.shards
  hosts_min     = var.settings.media_node.hosts_min
  hosts_max     = var.settings.media_node.hosts_max
  sessions_max  = var.settings.media_node.sessions_max
  settings      = var.settings.media_node.settings
  traces        = var.settings.media_node.traces
  program       = var.programs["media-node/${var.settings.media_node.architecture}"]
  recording     = var.recording
  parameters    = var.parameters
  names         = local.names
}

module "turn_node" {
  source = "../turn-node"

  name          = local.name
  region        = var.region
  edge          = var.edge
  vpc_id        = module.network.vpc_id
  subnet_ids    = module.network.subnet_ids
  architecture  = var.settings.turn_node.architecture
  instance_type = var.settings.turn_node.instance_type
  hosts_min     = var.settings.turn_node.hosts_min
  hosts_max     = var.settings.turn_node.hosts_max
  settings      = var.settings.turn_node.settings
  acme          = var.settings.turn_node.acme
  program       = var.programs["turn-node/${var.settings.turn_node.architecture}"]
  parameters    = var.parameters
  names         = local.names
}

module "alarms" {
  source = "../alarms"

  name       = local.name
  media      = module.media_node.fleet
  turn       = module.turn_node.fleet
  emails     = var.alarm_emails
  runbooks   = var.runbooks
  thresholds = var.alarm_thresholds
}
