# A network of public subnets, one for each zone, for IPv4 and IPv6. There is nothing private in it: hosts talk with
# clients directly, and everything else that they reach has a public address too.

data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394:subnets are in the first zones by name, and a zone that AWS adds comes last
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

data "aws_region" "current" {}

resource "aws_vpc" "region" {
  #checkov:skip=CKV2_AWS_11:flow logs would keep the addresses of all participants, which no other part of Rotunda stores
  cidr_block                       = var.cidr
  assign_generated_ipv6_cidr_block = true
  enable_dns_support               = true
  enable_dns_hostnames             = true

  tags = { Name = var.name }
}

# Nothing may use the default group by mistake: it has no rules.
resource "aws_default_security_group" "unused" {
  vpc_id = aws_vpc.region.id
}

resource "aws_internet_gateway" "region" {
  vpc_id = aws_vpc.region.id

  tags = { Name = var.name }
}

resource "aws_subnet" "public" {
  count = var.zones

  vpc_id            = aws_vpc.region.id
  availability_zone = data.aws_availability_zones.available.names[count.index]
  cidr_block        = cidrsubnet(var.cidr, 3, count.index)
  ipv6_cidr_block   = cidrsubnet(aws_vpc.region.ipv6_cidr_block, 8, count.index)
  # Addresses come from the launch template, so that nothing else that is started here becomes public.
  map_public_ip_on_launch         = false
  assign_ipv6_address_on_creation = false

  tags = { Name = "${var.name}-${count.index}" }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.region.id

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.region.id
  }

  route {
    ipv6_cidr_block = "::/0"
    gateway_id      = aws_internet_gateway.region.id
  }

  tags = { Name = var.name }
}

resource "aws_route_table_association" "public" {
  count = var.zones

  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public.id
}

# Recordings to a bucket of the same region cost nothing this way.
resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.region.id
  service_name      = "com.amazonaws.${data.aws_region.current.name}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.public.id]

  tags = { Name = var.name }
}
