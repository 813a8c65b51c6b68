mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name          = "rotunda-test-eu-central"
  region        = "eu-central"
  edge          = "wss://rotunda.example.org"
  vpc_id        = "vpc-1"
  subnet_ids    = ["subnet-1", "subnet-2"]
  architecture  = "arm64"
  instance_type = "c7g.xlarge"
  hosts_min     = 2
  hosts_max     = 5
  shards        = 4
  parameters    = "/rotunda/test"
  recording     = { bucket = "recordings", region = "eu-west-1", encryption = "aws:kms:key" }
  program = {
    bucket        = "programs"
    bucket_arn    = "arn:aws:s3:::programs"
    bucket_region = "eu-central-1"
    key           = "media-node/arm64/abc"
    sha256        = "abc"
    kms_key_arn   = null
  }
}

run "the_documented_ports_are_open_and_no_others" {
  assert {
    condition = [for family in ["ipv4", "ipv6"] : [
      aws_vpc_security_group_ingress_rule.media[family].ip_protocol,
      aws_vpc_security_group_ingress_rule.media[family].from_port,
      aws_vpc_security_group_ingress_rule.media[family].to_port,
    ]] == [["udp", 7000, 7003], ["udp", 7000, 7003]]
    error_message = "UDP, a port for each of four shards"
  }

  assert {
    condition = [for family in ["ipv4", "ipv6"] : [
      aws_vpc_security_group_ingress_rule.tcp[family].ip_protocol,
      aws_vpc_security_group_ingress_rule.tcp[family].from_port,
      aws_vpc_security_group_ingress_rule.tcp[family].to_port,
    ]] == [["tcp", 443, 443], ["tcp", 443, 443]]
    error_message = "TCP, one port for all shards"
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.media["ipv4"].cidr_ipv4 == "0.0.0.0/0" && aws_vpc_security_group_ingress_rule.media["ipv6"].cidr_ipv6 == "::/0" && aws_vpc_security_group_ingress_rule.tcp["ipv4"].cidr_ipv4 == "0.0.0.0/0" && aws_vpc_security_group_ingress_rule.tcp["ipv6"].cidr_ipv6 == "::/0"
    error_message = "clients may be anywhere"
  }

  # A rule that this file does not know is a rule too many.
  assert {
    condition = length(aws_vpc_security_group_ingress_rule.media) == 2 && length(aws_vpc_security_group_ingress_rule.tcp) == 2 && length(regexall("aws_vpc_security_group_ingress_rule\" ", join("\n", [for file in fileset(".", "*.tf") : file(file)]))) == 2 && length(regexall(
      "(?m)^\\s*(ingress|egress|dynamic) |aws_security_group_rule|aws_network_interface", join("\n", [for file in fileset(".", "*.tf") : file(file)])
    )) == 0
    error_message = "another way in"
  }

  assert {
    condition     = keys(aws_vpc_security_group_ingress_rule.media) == ["ipv4", "ipv6"] && keys(aws_vpc_security_group_ingress_rule.tcp) == ["ipv4", "ipv6"] && keys(aws_vpc_security_group_egress_rule.media) == ["ipv4", "ipv6"] && keys(aws_vpc_security_group_egress_rule.https) == ["ipv4", "ipv6"]
    error_message = "two families, one rule each"
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.media : rule.ip_protocol == "udp" && rule.from_port == 0 && rule.to_port == 65535])
    error_message = "UDP to any port and address, or every flow would be tracked"
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.https : rule.ip_protocol == "tcp" && rule.from_port == 443 && rule.to_port == 443])
    error_message = "TCP 443 out, for the edge, storage and AWS"
  }
}

run "the_node_listens_where_the_security_group_is_open" {
  assert {
    condition     = output.host_config.settings.MEDIA_LISTEN == "[::]:7000" && output.host_config.settings.MEDIA_SHARDS == "4"
    error_message = "a port for each shard, from the first"
  }

  assert {
    condition     = output.host_config.settings.MEDIA_TCP_LISTEN == "[::]:443"
    error_message = "one port for TCP"
  }

  assert {
    condition     = output.host_config.addresses.MEDIA_ADVERTISE == tolist(["public-ipv4", "ipv6"])
    error_message = "it advertises both public addresses"
  }

  assert {
    condition     = output.host_config.settings.MEDIA_EDGE == "wss://rotunda.example.org" && output.host_config.settings.MEDIA_REGION == "eu-central"
    error_message = "its edge and its region"
  }
}

run "other_ports_move_both" {
  variables {
    udp_port = 443
    tcp_port = 7000
    shards   = 1
  }

  assert {
    condition     = output.host_config.settings.MEDIA_LISTEN == "[::]:443" && aws_vpc_security_group_ingress_rule.media["ipv4"].from_port == 443 && aws_vpc_security_group_ingress_rule.media["ipv4"].to_port == 443
    error_message = "one port, listened on and open"
  }

  assert {
    condition     = output.host_config.settings.MEDIA_TCP_LISTEN == "[::]:7000" && aws_vpc_security_group_ingress_rule.tcp["ipv4"].from_port == 7000 && aws_vpc_security_group_ingress_rule.tcp["ipv4"].to_port == 7000
    error_message = "and the same for TCP"
  }
}

run "it_scales_on_the_busiest_shard_and_on_sessions" {
  assert {
    condition     = output.scaling_targets == { BusiestShardPermille = 600, Sessions = 1400 }
    error_message = "docs/operations.md: add a node when the busiest threads stay above 600; and at 70 % of 2,000 sessions"
  }

  assert {
    condition     = one([for reading in output.host_config.readings : [reading.how, reading.metric] if reading.name == "BusiestShardPermille"]) == ["max", "media_shard_busy_permille"]
    error_message = "the busiest of its shards"
  }
}

run "recordings_go_to_the_bucket_encrypted_with_keys_from_Parameter_Store" {
  assert {
    condition = {
      for name, value in output.host_config.settings : name => value if startswith(name, "MEDIA_RECORD_")
      } == {
      MEDIA_RECORD_BUCKET     = "recordings"
      MEDIA_RECORD_REGION     = "eu-west-1"
      MEDIA_RECORD_ENCRYPTION = "aws:kms:key"
      MEDIA_RECORD_PATH_STYLE = "false"
    }
    error_message = "the bucket's settings"
  }

  assert {
    condition     = toset(keys(output.host_config.secrets)) == toset(["MEDIA_RECORD_ACCESS_KEY_ID", "MEDIA_RECORD_SECRET_ACCESS_KEY"]) && alltrue([for name in values(output.host_config.secrets) : startswith(name, "/rotunda/test/")])
    error_message = "both halves of the access key"
  }
}

run "a_host_may_read_the_secret_of_the_collector_and_no_other" {
  variables {
    recording = null
    traces    = { collector = "https://traces.example.org", has_authorization = true }
  }

  assert {
    condition     = output.host_config.settings.MEDIA_OTLP == "https://traces.example.org" && output.host_config.secrets == tomap({ MEDIA_OTLP_AUTHORIZATION = "/rotunda/test/otlp-authorization" })
    error_message = "the collector, and the name of its secret in Parameter Store"
  }

  assert {
    condition = [for arn in one([for statement in output.role_statements : statement.Resource if statement.Sid == "Secrets"]) : split(":parameter/", arn)[1]] == [
      "rotunda/test/node-key", "rotunda/test/otlp-authorization",
    ]
    error_message = "two parameters by name"
  }
}

run "a_collector_without_a_secret_needs_no_parameter" {
  variables {
    recording = null
    traces    = { collector = "https://traces.example.org" }
  }

  assert {
    condition     = output.host_config.settings.MEDIA_OTLP == "https://traces.example.org" && length(output.host_config.secrets) == 0
    error_message = "no secret"
  }
}

run "a_collector_that_the_security_group_hides_is_refused" {
  command = plan

  variables {
    traces = { collector = "http://10.0.0.5:4318" }
  }

  expect_failures = [var.traces]
}

run "nothing_is_recorded_without_a_bucket" {
  variables {
    recording = null
  }

  assert {
    condition     = length(output.host_config.secrets) == 0 && length([for name in keys(output.host_config.settings) : name if startswith(name, "MEDIA_RECORD_")]) == 0
    error_message = "no setting of recordings"
  }
}
