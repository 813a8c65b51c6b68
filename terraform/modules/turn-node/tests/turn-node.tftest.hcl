mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name          = "rotunda-test-eu-central"
  region        = "eu-central"
  edge          = "wss://rotunda.example.org"
  vpc_id        = "vpc-1"
  subnet_ids    = ["subnet-1", "subnet-2"]
  architecture  = "x86_64"
  instance_type = "c7i.large"
  hosts_min     = 2
  hosts_max     = 4
  parameters    = "/rotunda/test"
  program = {
    bucket        = "programs"
    bucket_arn    = "arn:aws:s3:::programs"
    bucket_region = "eu-central-1"
    key           = "turn-node/x86_64/abc"
    sha256        = "abc"
    kms_key_arn   = null
  }
}

run "the_documented_ports_are_open_and_no_others" {
  assert {
    condition = [for rule in [aws_vpc_security_group_ingress_rule.turn, aws_vpc_security_group_ingress_rule.streams, aws_vpc_security_group_ingress_rule.relay] : [
      for family in ["ipv4", "ipv6"] : [rule[family].ip_protocol, rule[family].from_port, rule[family].to_port]
      ]] == [
      [["udp", 3478, 3478], ["udp", 3478, 3478]],
      [["tcp", 443, 443], ["tcp", 443, 443]],
      [["udp", 49152, 65535], ["udp", 49152, 65535]],
    ]
    error_message = "UDP and TCP to the ports of TURN, and UDP to the relay ports"
  }

  # A rule that this file does not know is a rule too many.
  assert {
    condition = length(aws_vpc_security_group_ingress_rule.turn) == 2 && length(regexall("aws_vpc_security_group_ingress_rule\" ", join("\n", [for file in fileset(".", "*.tf") : file(file)]))) == 3 && length(regexall(
      "(?m)^\\s*(ingress|egress|dynamic) |aws_security_group_rule|aws_network_interface", join("\n", [for file in fileset(".", "*.tf") : file(file)])
    )) == 0
    error_message = "another way in"
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.turn : rule.ip_protocol == "udp" && rule.from_port == 0 && rule.to_port == 65535])
    error_message = "UDP to any port and address, or every flow would be tracked"
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.https : rule.ip_protocol == "tcp" && rule.from_port == 443 && rule.to_port == 443])
    error_message = "TCP 443 out, for the edge and AWS"
  }
}

run "the_node_listens_and_relays_where_the_security_group_is_open" {
  assert {
    condition     = output.host_config.settings.TURN_LISTEN == "[::]:3478" && output.host_config.settings.TURN_TCP_LISTEN == "[::]:443" && output.host_config.settings.TURN_RELAY_PORTS == "49152-65535"
    error_message = "the ports of the rules"
  }

  assert {
    condition     = output.host_config.addresses == tomap({ TURN_RELAY = tolist(["public-ipv4", "ipv6"]), TURN_RELAY_BIND = tolist(["local-ipv4", "ipv6"]) })
    error_message = "public addresses, bound to the private one behind AWS's translation"
  }
}

run "other_relay_ports_move_both" {
  variables {
    relay_ports = [50000, 59999]
  }

  assert {
    condition     = output.host_config.settings.TURN_RELAY_PORTS == "50000-59999" && aws_vpc_security_group_ingress_rule.relay["ipv6"].from_port == 50000 && aws_vpc_security_group_ingress_rule.relay["ipv6"].to_port == 59999
    error_message = "used and open"
  }
}

run "it_scales_on_the_busiest_shard_and_on_allocations" {
  assert {
    condition     = output.scaling_targets == { BusiestShardPermille = 600, Allocations = 6000 }
    error_message = "the targets"
  }
}

run "its_keys_are_in_Parameter_Store" {
  assert {
    condition     = output.host_config.secrets == tomap({ TURN_KEYS = "/rotunda/test/turn-keys" })
    error_message = "TURN_KEYS"
  }
}

run "without_acme_there_is_no_certificate_and_no_name" {
  assert {
    condition     = length([for name in keys(merge(output.host_config.settings, output.host_config.addresses)) : name if startswith(name, "TURN_ACME_") || startswith(name, "TURN_TLS_")]) == 0
    error_message = "nothing of ACME"
  }
}

run "each_host_orders_a_certificate_for_its_own_name" {
  variables {
    names = { zone = "Z1", suffix = "eu-central.nodes.example.org" }
    acme  = { directory = "https://acme.example.org/directory", contact = "operator@example.org" }
  }

  assert {
    condition     = output.host_config.settings.TURN_ACME_DIRECTORY == "https://acme.example.org/directory" && output.host_config.settings.TURN_ACME_CONTACT == "operator@example.org"
    error_message = "the authority"
  }

  assert {
    condition     = output.host_config.addresses.TURN_TLS_NAME == tolist(["name"]) && output.host_config.names.suffix == "eu-central.nodes.example.org"
    error_message = "the name that the host registers"
  }
}

run "the_contact_may_be_left_out" {
  variables {
    names = { zone = "Z1", suffix = "eu-central.nodes.example.org" }
    acme  = { directory = "https://acme.example.org/directory" }
  }

  assert {
    condition     = !contains(keys(output.host_config.settings), "TURN_ACME_CONTACT")
    error_message = "no contact"
  }
}

run "an_authority_needs_names_to_check" {
  command = plan

  variables {
    acme = { directory = "https://acme.example.org/directory" }
  }

  expect_failures = [var.acme]
}

run "an_authority_reaches_port_443_alone" {
  command = plan

  variables {
    names    = { zone = "Z1", suffix = "eu-central.nodes.example.org" }
    acme     = { directory = "https://acme.example.org/directory" }
    tcp_port = 5349
  }

  expect_failures = [var.acme]
}

run "an_authority_is_asked_over_https" {
  command = plan

  variables {
    names = { zone = "Z1", suffix = "eu-central.nodes.example.org" }
    acme  = { directory = "http://acme.example.org/directory" }
  }

  expect_failures = [var.acme]
}
