mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name  = "rotunda-test-eu-central"
  cidr  = "10.16.0.0/20"
  zones = 3
}

run "hosts_are_spread_over_zones_with_both_families" {
  assert {
    condition     = aws_subnet.public[*].availability_zone == ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
    error_message = "a subnet in each zone"
  }

  assert {
    condition     = aws_subnet.public[*].cidr_block == ["10.16.0.0/23", "10.16.2.0/23", "10.16.4.0/23"]
    error_message = "equal networks that do not overlap"
  }

  assert {
    condition     = length(distinct(aws_subnet.public[*].ipv6_cidr_block)) == 3 && alltrue([for block in aws_subnet.public[*].ipv6_cidr_block : endswith(block, "/64")])
    error_message = "each subnet has a /64"
  }

  assert {
    condition     = toset([for route in aws_route_table.public.route : coalesce(route.cidr_block, route.ipv6_cidr_block)]) == toset(["0.0.0.0/0", "::/0"])
    error_message = "both families reach the Internet"
  }

  assert {
    condition     = length(aws_route_table_association.public) == 3
    error_message = "every subnet has the routes"
  }
}

run "nothing_is_public_or_open_by_default" {
  assert {
    condition     = alltrue([for subnet in aws_subnet.public : !subnet.map_public_ip_on_launch && !subnet.assign_ipv6_address_on_creation])
    error_message = "only the launch template gives public addresses"
  }

  assert {
    condition     = length(aws_default_security_group.unused.ingress) == 0 && length(aws_default_security_group.unused.egress) == 0
    error_message = "the default security group has a rule"
  }
}

run "one_zone_is_too_few" {
  command = plan

  variables {
    zones = 1
  }

  expect_failures = [var.zones]
}

run "a_network_that_is_too_small_is_refused" {
  command = plan

  variables {
    cidr = "10.16.0.0/24"
  }

  expect_failures = [var.cidr]
}
