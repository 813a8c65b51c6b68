output "vpc_id" {
  value = aws_vpc.region.id
}

output "subnet_ids" {
  description = "One subnet for each availability zone."
  value       = aws_subnet.public[*].id
}
