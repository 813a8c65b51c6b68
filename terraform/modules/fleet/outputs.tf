output "name" {
  description = "Name of the auto-scaling group, which is also the dimension of its readings in CloudWatch."
  value       = aws_autoscaling_group.hosts.name
}

output "kind" {
  value = var.kind
}

output "hosts_max" {
  value = var.hosts_max
}

output "namespace" {
  value = var.namespace
}

output "security_group_id" {
  value = var.security_group_id
}

output "host_config" {
  description = "The content of the host's host.json."
  value       = local.host_config
}

output "role_statements" {
  value = local.statements
}

output "user_data" {
  description = "The cloud-config, before compression."
  value       = local.user_data
}

output "scaling_targets" {
  value = { for name, policy in aws_autoscaling_policy.load : name => policy.target_tracking_configuration[0].target_value }
}
