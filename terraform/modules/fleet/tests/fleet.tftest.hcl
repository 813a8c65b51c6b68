mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name              = "rotunda-test-eu-central-media"
  region            = "eu-central"
  kind              = "media-node"
  prefix            = "MEDIA"
  subnet_ids        = ["subnet-1", "subnet-2"]
  security_group_id = "sg-1"
  architecture      = "arm64"
  instance_type     = "c7g.large"
  disk_gib          = 32
  hosts_min         = 2
  hosts_max         = 5
  settings          = { MEDIA_EDGE = "wss://rotunda.example.org" }
  addresses         = { MEDIA_ADVERTISE = ["public-ipv4", "ipv6"] }
  secrets           = { MEDIA_RECORD_SECRET_ACCESS_KEY = "/rotunda/test/record-secret-access-key" }
  node_key          = "/rotunda/test/node-key"
  http              = "http://127.0.0.1:7080"
  names             = { zone = "Z1", suffix = "eu-central.nodes.example.org" }
  scaling           = { BusiestShardPermille = 600, Sessions = 1400 }
  program = {
    bucket        = "programs"
    bucket_arn    = "arn:aws:s3:::programs"
    bucket_region = "eu-central-1"
    key           = "media-node/arm64/abc"
    sha256        = "abc"
    kms_key_arn   = null
  }
}

run "hosts_have_public_addresses_and_no_way_in_but_the_nodes" {
  assert {
    condition     = aws_launch_template.host.network_interfaces[0].associate_public_ip_address == "true" && aws_launch_template.host.network_interfaces[0].ipv6_address_count == 1
    error_message = "clients send media to the host's own addresses"
  }

  assert {
    condition     = aws_launch_template.host.network_interfaces[0].security_groups == toset(["sg-1"])
    error_message = "one security group, the node's"
  }

  assert {
    condition     = aws_launch_template.host.key_name == null || aws_launch_template.host.key_name == ""
    error_message = "a key pair would mean SSH"
  }

  assert {
    condition     = aws_launch_template.host.metadata_options[0].http_tokens == "required" && aws_launch_template.host.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "IMDSv2 only"
  }

  assert {
    condition     = aws_launch_template.host.block_device_mappings[0].ebs[0].encrypted == "true"
    error_message = "the disk holds parts of recordings"
  }

  assert {
    condition     = aws_autoscaling_group.hosts.vpc_zone_identifier == toset(["subnet-1", "subnet-2"])
    error_message = "over all zones"
  }

  assert {
    condition     = endswith(aws_launch_template.host.image_id, "al2023-ami-kernel-default-arm64")
    error_message = "the image has the host's architecture"
  }
}

run "a_host_is_ready_before_it_serves_and_drains_before_it_ends" {
  assert {
    condition = { for hook in aws_autoscaling_group.hosts.initial_lifecycle_hook : hook.name => [hook.lifecycle_transition, hook.default_result] } == {
      ready = ["autoscaling:EC2_INSTANCE_LAUNCHING", "ABANDON"]
      drain = ["autoscaling:EC2_INSTANCE_TERMINATING", "CONTINUE"]
    }
    error_message = "both hooks exist before the first host"
  }

  assert {
    condition     = one([for hook in aws_autoscaling_group.hosts.initial_lifecycle_hook : hook.heartbeat_timeout if hook.name == "drain"]) >= 3 * 30
    error_message = "a heartbeat each 30 s keeps the hook open, even if two are lost"
  }

  assert {
    condition     = output.host_config.drain_hook == "drain" && output.host_config.launch_hook == "ready" && output.host_config.group == var.name
    error_message = "the host completes the hooks that the group has"
  }

  assert {
    condition     = strcontains(output.user_data, "/usr/local/lib/rotunda/rotunda-host watch") && strcontains(output.user_data, "rotunda-watch.service")
    error_message = "something on the host waits for the hook"
  }

  assert {
    condition     = aws_autoscaling_group.hosts.instance_refresh[0].strategy == "Rolling" && aws_autoscaling_group.hosts.instance_refresh[0].preferences[0].min_healthy_percentage == 100
    error_message = "a new host first, then an old one drains"
  }

  assert {
    condition     = tostring(aws_autoscaling_group.hosts.launch_template[0].version) == tostring(aws_launch_template.host.latest_version)
    error_message = "a new version of the template starts the rolling replacement"
  }
}

run "hosts_run_the_repositorys_own_unit" {
  assert {
    condition     = one([for file in yamldecode(output.user_data).write_files : file.content if file.path == "/etc/systemd/system/media-node.service"]) == file("../../../docs/systemd/media-node.service")
    error_message = "docs/systemd/media-node.service, unchanged"
  }

  assert {
    condition     = contains(yamldecode(output.user_data).runcmd[2], "media-node.service")
    error_message = "the unit is started"
  }

  assert {
    condition     = startswith(output.user_data, "#cloud-config\n") && length(aws_launch_template.host.user_data) * 3 / 4 < 16384
    error_message = "cloud-init reads it, and EC2 takes 16 KB"
  }
}

run "turn_nodes_run_theirs" {
  variables {
    kind    = "turn-node"
    prefix  = "TURN"
    scaling = {}
  }

  assert {
    condition     = one([for file in yamldecode(output.user_data).write_files : file.content if file.path == "/etc/systemd/system/turn-node.service"]) == file("../../../docs/systemd/turn-node.service")
    error_message = "docs/systemd/turn-node.service, unchanged"
  }

  assert {
    condition     = strcontains(output.user_data, "\n    DynamicUser=yes\n")
    error_message = "as a user that reaches no metadata service"
  }
}

run "secrets_are_in_Parameter_Store_only" {
  assert {
    condition     = output.host_config.secrets == tomap({ MEDIA_RECORD_SECRET_ACCESS_KEY = "/rotunda/test/record-secret-access-key" }) && output.host_config.node_key == "/rotunda/test/node-key"
    error_message = "the host is told names of parameters"
  }

  assert {
    condition = one([for statement in output.role_statements : statement.Resource if statement.Sid == "Secrets"]) == [
      "arn:aws:ssm:eu-central-1:123456789012:parameter/rotunda/test/node-key",
      "arn:aws:ssm:eu-central-1:123456789012:parameter/rotunda/test/record-secret-access-key",
    ]
    error_message = "a host reads its own secrets alone"
  }
}

run "a_node_reaches_no_credentials_of_its_host" {
  assert {
    condition     = strcontains(output.user_data, "\n    DynamicUser=yes\n")
    error_message = "nodes run as users of systemd's own range, 61184 to 65519"
  }

  assert {
    condition     = strcontains(output.user_data, "ip rule add to 169.254.169.254 uidrange 61184-65519 prohibit") && strcontains(output.user_data, "Requires=rotunda-prepare.service\n")
    error_message = "the rule is there before the node"
  }

  assert {
    condition     = aws_launch_template.host.metadata_options[0].http_protocol_ipv6 == null || aws_launch_template.host.metadata_options[0].http_protocol_ipv6 != "enabled"
    error_message = "there is no rule for the metadata service's IPv6 address"
  }
}

run "a_host_may_do_nothing_else" {
  assert {
    condition = toset(flatten([for statement in output.role_statements : statement.Action])) == toset([
      "s3:GetObject", "ssm:GetParameters",
      "autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat",
      "cloudwatch:PutMetricData",
      "ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
      "route53:ChangeResourceRecordSets",
    ])
    error_message = "an action more or less than a host needs"
  }

  assert {
    condition     = toset([for statement in output.role_statements : statement.Sid if contains(statement.Resource, "*")]) == toset(["Readings", "Sessions"])
    error_message = "only actions that know no resources are allowed on all"
  }

  assert {
    condition     = one([for statement in output.role_statements : statement.Condition.StringEquals["cloudwatch:namespace"] if statement.Sid == "Readings"]) == "Rotunda"
    error_message = "readings of no other namespace"
  }

  assert {
    condition     = one([for statement in output.role_statements : statement.Resource if statement.Sid == "Program"]) == ["arn:aws:s3:::programs/media-node/arm64/abc"]
    error_message = "its program alone"
  }

  assert {
    condition = one([for statement in output.role_statements : statement.Condition if statement.Sid == "Name"]) == {
      "ForAllValues:StringLike"   = { "route53:ChangeResourceRecordSetsNormalizedRecordNames" = ["i-*.eu-central.nodes.example.org"] }
      "ForAllValues:StringEquals" = { "route53:ChangeResourceRecordSetsRecordTypes" = ["A", "AAAA"] }
    }
    error_message = "addresses of hosts of its own region alone"
  }

  assert {
    condition     = one([for statement in output.role_statements : statement.Resource if statement.Sid == "Lifecycle"]) == ["arn:aws:autoscaling:eu-central-1:123456789012:autoScalingGroup:*:autoScalingGroupName/rotunda-test-eu-central-media"]
    error_message = "hooks of its own group alone"
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.host.policy).Statement[*].Sid == output.role_statements[*].Sid
    error_message = "the role has these statements"
  }
}

run "the_group_scales_on_load_and_on_sessions" {
  assert {
    condition     = output.scaling_targets == { BusiestShardPermille = 600, Sessions = 1400 }
    error_message = "the targets"
  }

  assert {
    condition = alltrue([for name, policy in aws_autoscaling_policy.load :
      policy.policy_type == "TargetTrackingScaling" &&
      policy.target_tracking_configuration[0].customized_metric_specification[0].metric_name == name &&
      policy.target_tracking_configuration[0].customized_metric_specification[0].namespace == output.host_config.namespace &&
      one(policy.target_tracking_configuration[0].customized_metric_specification[0].metric_dimension).value == output.host_config.group
    ])
    error_message = "a policy follows the reading that hosts send"
  }

  assert {
    condition     = toset(["BusiestShardPermille", "Sessions"]) == setintersection(toset(["BusiestShardPermille", "Sessions"]), toset([for reading in output.host_config.readings : reading.name]))
    error_message = "hosts send both"
  }

  assert {
    condition     = aws_autoscaling_group.hosts.min_size == 2 && aws_autoscaling_group.hosts.max_size == 5
    error_message = "between these"
  }
}

run "a_reading_that_no_host_sends_cannot_scale" {
  command = plan

  variables {
    scaling = { Sesions = 1 }
  }

  expect_failures = [aws_autoscaling_policy.load]
}

run "hosts_are_gone_before_their_token_expires" {
  command = plan

  variables {
    host_lifetime_days = 60
  }

  expect_failures = [var.host_lifetime_days]
}

run "and_the_program_says_how_long_a_token_is_valid" {
  assert {
    condition     = strcontains(file("host/rotunda-host.py"), "TOKEN_LIFETIME_S = 60 * 24 * 3600") && aws_autoscaling_group.hosts.max_instance_lifetime == 30 * 24 * 3600
    error_message = "60 days for the token, 30 for the host"
  }
}
