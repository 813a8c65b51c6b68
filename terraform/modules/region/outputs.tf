output "fleets" {
  description = "Names of the auto-scaling groups."
  value       = { media = module.media_node.fleet.name, turn = module.turn_node.fleet.name }
}

output "dashboard" {
  value = module.alarms.dashboard
}

output "host_configs" {
  value = { media = module.media_node.host_config, turn = module.turn_node.host_config }
}
