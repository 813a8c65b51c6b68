output "names" {
  description = "The zone and the suffix of host names, by region."
  value = { for region in var.regions : region => {
    zone   = aws_route53_zone.hosts.zone_id
    suffix = "${region}.${var.domain}"
  } }
}

output "certificate_authorities" {
  description = "The CAA records."
  value       = aws_route53_record.certificate_authorities.records
}

output "name_servers" {
  description = "Values of the NS records for the domain in the parent zone."
  value       = aws_route53_zone.hosts.name_servers
}
