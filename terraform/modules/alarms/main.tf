# Alarms of a region, told by e-mail; each names its runbook.

resource "aws_cloudwatch_metric_alarm" "all" {
  for_each = local.alarms

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = "${each.value.says} ${var.runbooks}#${each.value.runbook}"
  alarm_actions     = [aws_sns_topic.alarms.arn]
  ok_actions        = [aws_sns_topic.alarms.arn]

  comparison_operator = each.value.below != null ? "LessThanThreshold" : each.value.at_maximum ? "GreaterThanOrEqualToThreshold" : "GreaterThanThreshold"
  threshold = lookup(var.thresholds, each.key, (
    each.value.at_maximum ? each.value.fleet.hosts_max : each.value.below != null ? each.value.below : each.value.above
  ))
  treat_missing_data = each.value.silence

  # Sums are taken over the whole time; of the others, each minute has to be bad.
  evaluation_periods  = each.value.statistic == "Sum" ? 1 : each.value.minutes
  datapoints_to_alarm = each.value.statistic == "Sum" ? 1 : each.value.minutes

  # One reading.
  namespace   = each.value.share_of != null ? null : each.value.at_maximum ? "AWS/AutoScaling" : each.value.fleet.namespace
  metric_name = each.value.share_of != null ? null : each.value.reading
  statistic   = each.value.share_of != null ? null : each.value.statistic
  period      = each.value.share_of != null ? null : each.value.statistic == "Sum" ? each.value.minutes * 60 : 60
  dimensions  = each.value.share_of != null ? null : { AutoScalingGroupName = each.value.fleet.name }

  # Or a reading's share of both, in percent; a few sessions say nothing.
  dynamic "metric_query" {
    for_each = each.value.share_of == null ? {} : { bad = each.value.reading, good = each.value.share_of }

    content {
      id = metric_query.key

      metric {
        namespace   = each.value.fleet.namespace
        metric_name = metric_query.value
        stat        = "Sum"
        period      = each.value.minutes * 60
        dimensions  = { AutoScalingGroupName = each.value.fleet.name }
      }
    }
  }

  dynamic "metric_query" {
    for_each = each.value.share_of == null ? [] : [each.value.reading]

    content {
      id          = "share"
      label       = "${metric_query.value}, percent"
      expression  = "IF(bad + good >= 20, 100 * bad / (bad + good), 0)"
      return_data = true
    }
  }

  lifecycle {
    precondition {
      condition = each.value.at_maximum || alltrue([
        for reading in compact([each.value.reading, each.value.share_of]) :
        contains(local.readings[each.value.fleet.kind][*].name, reading)
      ])
      error_message = "${each.key} watches a reading that no host sends (modules/fleet/host/readings.json)"
    }
  }
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = aws_kms_key.alarms.id
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Alarms"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.alarms.arn
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.emails

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

# CloudWatch cannot publish to a topic that AWS's own key encrypts.
resource "aws_kms_key" "alarms" {
  description             = "Alarms of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Account"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
      },
    ]
  })
}
