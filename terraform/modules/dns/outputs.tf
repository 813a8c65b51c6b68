output "names" {
  description = "What the hosts of each region are told."
  value = { for region in var.regions : region => {
    zone   = aws_route53_zone.hosts.zone_id
    suffix = "${region}.${var.domain}"
  } }
}

output "name_servers" {
  description = "For the NS records of the domain in the parent zone."
  value       = aws_route53_zone.hosts.name_servers
}
