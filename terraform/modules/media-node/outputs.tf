output "fleet" {
  description = "The group, for alarms and the dashboard."
  value = {
    name      = module.fleet.name
    kind      = module.fleet.kind
    namespace = module.fleet.namespace
    hosts_max = module.fleet.hosts_max
  }
}

output "host_config" {
  value = module.fleet.host_config
}

output "role_statements" {
  value = module.fleet.role_statements
}

output "scaling_targets" {
  value = module.fleet.scaling_targets
}

output "user_data" {
  value = module.fleet.user_data
}
