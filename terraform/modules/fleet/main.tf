# A group of equal hosts over all zones of a region, each with public addresses: media goes straight to a host.

locals {
  launch_hook = "ready"
  drain_hook  = "drain"
}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

resource "aws_launch_template" "host" {
  name                   = var.name
  image_id               = coalesce(var.image_id, "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${var.architecture}")
  instance_type          = var.instance_type
  update_default_version = true
  user_data              = base64gzip(local.user_data)
  # A host that shuts itself down ends; the group starts another.
  instance_initiated_shutdown_behavior = "terminate"

  iam_instance_profile {
    arn = aws_iam_instance_profile.host.arn
  }

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
    # Nothing on a host is a container that would need a second hop.
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "disabled"
  }

  network_interfaces {
    #checkov:skip=CKV_AWS_88:clients send media straight to the host, so it needs a public address
    associate_public_ip_address = true
    ipv6_address_count          = 1
    security_groups             = [var.security_group_id]
    delete_on_termination       = true
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type           = "gp3"
      volume_size           = var.disk_gib
      encrypted             = true
      delete_on_termination = true
    }
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = var.name }
  }

  tag_specifications {
    resource_type = "volume"
    tags          = { Name = var.name }
  }
}

resource "aws_autoscaling_group" "hosts" {
  name                = var.name
  vpc_zone_identifier = var.subnet_ids
  min_size            = var.hosts_min
  max_size            = var.hosts_max
  # A host that cannot register is ended by the launch hook; one whose edge is away must go on forwarding.
  health_check_type         = "EC2"
  health_check_grace_period = 300
  max_instance_lifetime     = var.host_lifetime_days * 24 * 3600
  termination_policies      = ["OldestLaunchTemplate", "Default"]
  enabled_metrics           = ["GroupInServiceInstances", "GroupMaxSize", "GroupTerminatingWaitInstances"]
  # Terraform does not wait for hosts: the launch hook says whether they came up, and alarms tell it.
  wait_for_capacity_timeout = "0"

  launch_template {
    id      = aws_launch_template.host.id
    version = aws_launch_template.host.latest_version
  }

  # Both are initial hooks, so no host is started or ended before they exist.
  initial_lifecycle_hook {
    name                 = local.launch_hook
    lifecycle_transition = "autoscaling:EC2_INSTANCE_LAUNCHING"
    heartbeat_timeout    = 300
    # A host whose node is not ready by then is replaced, and a rolling update goes no further.
    default_result = "ABANDON"
  }

  initial_lifecycle_hook {
    name                 = local.drain_hook
    lifecycle_transition = "autoscaling:EC2_INSTANCE_TERMINATING"
    # The host sends a heartbeat every 30 s while its node drains; one that is dead ends after this time.
    heartbeat_timeout = 120
    default_result    = "CONTINUE"
  }

  instance_refresh {
    strategy = "Rolling"

    preferences {
      # A new host is ready before an old one drains.
      min_healthy_percentage = 100
      max_healthy_percentage = 110
      instance_warmup        = 60
      skip_matching          = true
    }
  }

  tag {
    key                 = "Name"
    value               = var.name
    propagate_at_launch = true
  }

  lifecycle {
    # The scaling policies decide.
    ignore_changes = [desired_capacity]
  }
}

resource "aws_autoscaling_policy" "load" {
  for_each = var.scaling

  name                      = "${var.name}-${each.key}"
  autoscaling_group_name    = aws_autoscaling_group.hosts.name
  policy_type               = "TargetTrackingScaling"
  estimated_instance_warmup = 120

  target_tracking_configuration {
    target_value = each.value

    customized_metric_specification {
      namespace   = var.namespace
      metric_name = each.key
      statistic   = "Average"

      metric_dimension {
        name  = "AutoScalingGroupName"
        value = aws_autoscaling_group.hosts.name
      }
    }
  }

  lifecycle {
    precondition {
      condition     = contains(local.readings[*].name, each.key)
      error_message = "${each.key} is no reading of a ${var.kind} (host/readings.json)"
    }
  }
}
