# One graph for each reading that an alarm or a scaling policy watches, with the alarm's threshold.

locals {
  graphs = [
    { title = "Sessions", fleet = var.media, readings = ["Sessions"], stat = "Sum" },
    { title = "Busiest shard, thousandths of a core", fleet = var.media, readings = ["BusiestShardPermille"], stat = "Maximum" },
    { title = "Sessions connected and failed", fleet = var.media, readings = ["SessionsConnected", "SessionsFailed"], stat = "Sum" },
    { title = "Bytes sent", fleet = var.media, readings = ["BytesOut"], stat = "Sum" },
    { title = "Registered nodes", fleet = var.media, readings = ["Registered"], stat = "Sum" },
    { title = "Dropped datagrams", fleet = var.media, readings = ["PacedDrops", "OtherDrops", "SendOverflows"], stat = "Sum" },
    { title = "Publishers' links", fleet = var.media, readings = ["UplinkOverloads"], stat = "Sum" },
    { title = "Faults of the node", fleet = var.media, readings = ["ShardsEnded", "RecordOverflows"], stat = "Sum" },
    { title = "Disk and memory, percent", fleet = var.media, readings = ["DiskUsedPercent", "MemoryUsedPercent"], stat = "Maximum" },
    { title = "TURN: allocations", fleet = var.turn, readings = ["Allocations"], stat = "Sum" },
    { title = "TURN: busiest shard", fleet = var.turn, readings = ["BusiestShardPermille"], stat = "Maximum" },
    { title = "TURN: relay ports taken", fleet = var.turn, readings = ["RelayPortsTaken"], stat = "Maximum" },
    { title = "TURN: refused and over quota", fleet = var.turn, readings = ["RefusedNoPort", "OverQuotaDrops", "SendOverflows"], stat = "Sum" },
    { title = "TURN: days until a certificate expires", fleet = var.turn, readings = ["CertificateDaysLeft"], stat = "Minimum" },
    { title = "TURN: registered nodes", fleet = var.turn, readings = ["Registered"], stat = "Sum" },
    { title = "TURN: disk and memory, percent", fleet = var.turn, readings = ["DiskUsedPercent", "MemoryUsedPercent"], stat = "Maximum" },
  ]
  shown = [for graph in local.graphs : graph if graph.fleet != null]

  runbook_links = join("\n", [
    for key, alarm in local.alarms : "- [${var.name}-${key}](${var.runbooks}#${alarm.runbook}): ${alarm.says}"
  ])

  widgets = concat(
    [{ type = "alarm", x = 0, y = 0, width = 24, height = 3, properties = {
      title = "Alarms", alarms = [for alarm in aws_cloudwatch_metric_alarm.all : alarm.arn]
    } }],
    [for index, graph in local.shown : {
      type = "metric", x = 8 * (index % 3), y = 3 + 6 * floor(index / 3), width = 8, height = 6, properties = {
        title   = graph.title
        region  = data.aws_region.current.name
        stat    = graph.stat
        period  = 60
        view    = "timeSeries"
        metrics = [for reading in graph.readings : [graph.fleet.namespace, reading, "AutoScalingGroupName", graph.fleet.name]]
      }
    }],
    [{ type = "text", x = 0, y = 3 + 6 * ceil(length(local.shown) / 3), width = 24, height = 8, properties = {
      markdown = "## Runbooks\n${local.runbook_links}"
    } }],
  )
}

resource "aws_cloudwatch_dashboard" "region" {
  dashboard_name = var.name
  dashboard_body = jsonencode({ widgets = local.widgets })
}
