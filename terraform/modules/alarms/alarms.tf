# The alarms of alarms.json: which reading, when, and the section of docs/operations.md that says what to do.

locals {
  table    = jsondecode(file("${path.module}/alarms.json"))
  readings = jsondecode(file("${path.module}/../fleet/host/readings.json"))

  fleets = merge({ media = var.media }, var.turn == null ? {} : { turn = var.turn })

  defaults = { statistic = "Sum", above = null, below = null, at_maximum = false, share_of = null, silence = "notBreaching" }

  # Every alarm by its key, such as media-sessions-fail.
  alarms = merge([for name, fleet in local.fleets : {
    for key, alarm in merge(local.table.both, local.table[fleet.kind]) :
    "${name}-${key}" => merge(local.defaults, alarm, { fleet = fleet })
  }]...)
}
