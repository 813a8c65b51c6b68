mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name     = "rotunda-test-eu-central"
  media    = { name = "rotunda-test-eu-central-media", kind = "media-node", namespace = "Rotunda", hosts_max = 5 }
  turn     = { name = "rotunda-test-eu-central-turn", kind = "turn-node", namespace = "Rotunda", hosts_max = 4 }
  emails   = ["operators@example.org"]
  runbooks = "https://example.org/operations.md"
}

run "every_alarm_names_a_section_of_the_page_and_every_section_has_an_alarm" {
  assert {
    condition = toset([for alarm in aws_cloudwatch_metric_alarm.all : split("#", alarm.alarm_description)[1]]) == toset([
      for heading in regexall("(?m)^### (Alarm: .*)$", file("../../../docs/operations.md")) :
      replace(replace(lower(heading[0]), "/[^a-z0-9 -]/", ""), " ", "-")
    ])
    error_message = "the anchors of the alarms, and the headings `### Alarm: …` of docs/operations.md, as GitHub makes anchors of them"
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.all : strcontains(alarm.alarm_description, " https://example.org/operations.md#alarm-")])
    error_message = "a link to follow"
  }
}

# Holds S3-DEP-05.
run "alarms_reach_people" {
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.all : alarm.alarm_actions == toset([aws_sns_topic.alarms.arn]) && alarm.ok_actions == toset([aws_sns_topic.alarms.arn])])
    error_message = "an alarm that tells nobody"
  }

  assert {
    condition     = { for address, subscription in aws_sns_topic_subscription.email : address => [subscription.protocol, subscription.endpoint] } == { "operators@example.org" = ["email", "operators@example.org"] }
    error_message = "by e-mail"
  }

  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == aws_kms_key.alarms.id && contains(jsondecode(aws_kms_key.alarms.policy).Statement[*].Principal, { Service = "cloudwatch.amazonaws.com" })
    error_message = "encrypted with a key that CloudWatch may use"
  }
}

# Holds S3-DEP-05.
run "alarms_fire_when_operations_says" {
  assert {
    condition = [for key in ["media-core-saturated", "turn-core-saturated"] : [
      aws_cloudwatch_metric_alarm.all[key].metric_name, aws_cloudwatch_metric_alarm.all[key].statistic,
      aws_cloudwatch_metric_alarm.all[key].comparison_operator, aws_cloudwatch_metric_alarm.all[key].threshold,
      aws_cloudwatch_metric_alarm.all[key].period, aws_cloudwatch_metric_alarm.all[key].evaluation_periods,
    ]] == [for kind in ["media", "turn"] : ["BusiestShardPermille", "Maximum", "GreaterThanThreshold", 800, 60, 5]]
    error_message = "a core at more than 800 thousandths for five minutes"
  }

  assert {
    condition = alltrue([for key in ["media-not-registered", "turn-not-registered"] :
      aws_cloudwatch_metric_alarm.all[key].statistic == "Minimum" && aws_cloudwatch_metric_alarm.all[key].threshold == 1 &&
      aws_cloudwatch_metric_alarm.all[key].comparison_operator == "LessThanThreshold" && aws_cloudwatch_metric_alarm.all[key].treat_missing_data == "breaching"
    ])
    error_message = "one node that is not registered, or none that says anything"
  }

  assert {
    condition = [for key in ["turn-certificate-expires"] : [
      aws_cloudwatch_metric_alarm.all[key].metric_name, aws_cloudwatch_metric_alarm.all[key].statistic,
      aws_cloudwatch_metric_alarm.all[key].comparison_operator, aws_cloudwatch_metric_alarm.all[key].threshold,
      aws_cloudwatch_metric_alarm.all[key].treat_missing_data,
    ]] == [["CertificateDaysLeft", "Minimum", "LessThanThreshold", 7, "notBreaching"]]
    error_message = "less than a week for the certificate that ends first; nodes without TLS report none"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.all["media-shard-ended"].threshold == 0 && aws_cloudwatch_metric_alarm.all["media-shard-ended"].metric_name == "ShardsEnded"
    error_message = "the first time"
  }

  assert {
    condition     = one([for query in aws_cloudwatch_metric_alarm.all["media-sessions-fail"].metric_query : query.expression if query.id == "share"]) == "IF(bad + good >= 20, 100 * bad / (bad + good), 0)" && aws_cloudwatch_metric_alarm.all["media-sessions-fail"].threshold == 10
    error_message = "a tenth of twenty sessions or more"
  }

  assert {
    condition = {
      for query in aws_cloudwatch_metric_alarm.all["media-sessions-fail"].metric_query : query.id => one(query.metric).metric_name if query.id != "share"
    } == { bad = "SessionsFailed", good = "SessionsConnected" }
    error_message = "failed sessions beside those that connected"
  }

  assert {
    condition = [aws_cloudwatch_metric_alarm.all["media-at-maximum"].threshold, aws_cloudwatch_metric_alarm.all["turn-at-maximum"].threshold] == [5, 4] && alltrue([
      for key in ["media-at-maximum", "turn-at-maximum"] : aws_cloudwatch_metric_alarm.all[key].namespace == "AWS/AutoScaling" && aws_cloudwatch_metric_alarm.all[key].comparison_operator == "GreaterThanOrEqualToThreshold"
    ])
    error_message = "as many hosts as the group may have"
  }

  assert {
    condition = alltrue([for key, alarm in aws_cloudwatch_metric_alarm.all : alarm.dimensions == tomap({
      AutoScalingGroupName = startswith(key, "media-") ? var.media.name : var.turn.name
    }) if key != "media-sessions-fail"])
    error_message = "each watches its own group"
  }
}

run "a_threshold_can_be_set" {
  variables {
    thresholds = { media-core-saturated = 700 }
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.all["media-core-saturated"].threshold == 700 && aws_cloudwatch_metric_alarm.all["turn-core-saturated"].threshold == 800
    error_message = "one alarm's"
  }
}

run "a_region_without_turn_nodes_has_no_alarms_for_them" {
  variables {
    turn = null
  }

  assert {
    condition     = length([for key in keys(aws_cloudwatch_metric_alarm.all) : key if startswith(key, "turn-")]) == 0 && !strcontains(aws_cloudwatch_dashboard.region.dashboard_body, "TURN: ")
    error_message = "of media nodes alone"
  }
}

# Holds S3-DEP-05.
run "the_dashboard_shows_every_reading_that_an_alarm_watches_and_every_runbook" {
  assert {
    condition = length(setsubtract(
      toset([for key, alarm in aws_cloudwatch_metric_alarm.all :
        key == "media-sessions-fail" ? "SessionsFailed of ${var.media.name}" : "${alarm.metric_name} of ${alarm.dimensions.AutoScalingGroupName}"
        if !endswith(key, "-at-maximum")
      ]),
      toset(flatten([for widget in jsondecode(aws_cloudwatch_dashboard.region.dashboard_body).widgets :
        [for metric in try(widget.properties.metrics, []) : "${metric[1]} of ${metric[3]}"]
      ]))
    )) == 0
    error_message = "a reading with an alarm and no graph"
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.all : strcontains(aws_cloudwatch_dashboard.region.dashboard_body, "#${split("#", alarm.alarm_description)[1]}")])
    error_message = "a runbook without a link"
  }
}
