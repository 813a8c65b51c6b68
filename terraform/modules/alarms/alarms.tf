# The alarms: which reading, when, and the section of docs/operations.md that says what to do.

locals {
  # Alarms of both kinds of nodes.
  both = {
    not-registered = {
      reading = "Registered", statistic = "Minimum", below = 1, minutes = 3, silence = "breaching"
      runbook = "alarm-a-node-is-not-registered"
      says    = "A node is not registered with the edge, or no node reports."
    }
    core-saturated = {
      reading = "BusiestShardPermille", statistic = "Maximum", above = 800, minutes = 5
      runbook = "alarm-a-core-is-saturated"
      says    = "A node's busiest thread uses more than 80 % of its core."
    }
    send-buffer-full = {
      reading = "SendOverflows", statistic = "Sum", above = 100, minutes = 5
      runbook = "alarm-the-send-buffer-is-full"
      says    = "The kernel's send buffer is full, and datagrams are dropped."
    }
    disk-full = {
      reading = "DiskUsedPercent", statistic = "Maximum", above = 80, minutes = 3
      runbook = "alarm-a-disk-is-nearly-full"
      says    = "A host's disk is nearly full."
    }
    memory-full = {
      reading = "MemoryUsedPercent", statistic = "Maximum", above = 90, minutes = 5
      runbook = "alarm-memory-is-nearly-full"
      says    = "A host's memory is nearly full."
    }
    at-maximum = {
      reading = "GroupInServiceInstances", statistic = "Maximum", at_maximum = true, minutes = 15
      runbook = "alarm-the-fleet-is-at-its-maximum"
      says    = "The group has as many hosts as it may have."
    }
  }

  media = merge(local.both, {
    sessions-fail = {
      reading = "SessionsFailed", share_of = "SessionsConnected", above = 10, minutes = 10
      runbook = "alarm-sessions-fail"
      says    = "More than a tenth of the sessions fail."
    }
    shard-ended = {
      reading = "ShardsEnded", statistic = "Sum", above = 0, minutes = 1
      runbook = "alarm-a-shards-thread-has-ended"
      says    = "A shard's thread has ended: a bug in the node."
    }
    uplinks-overloaded = {
      reading = "UplinkOverloads", statistic = "Sum", above = 200, minutes = 10
      runbook = "alarm-uplinks-are-overloaded"
      says    = "The links of many publishers suddenly carry less."
    }
    video-dropped = {
      reading = "PacedDrops", statistic = "Sum", above = 20000, minutes = 10
      runbook = "alarm-video-is-dropped"
      says    = "Much video is dropped that waited 600 ms for a client's link."
    }
    unknown-datagrams = {
      reading = "OtherDrops", statistic = "Sum", above = 100000, minutes = 10
      runbook = "alarm-unknown-datagrams"
      says    = "Many datagrams are unknown, forged or outdated."
    }
    recorder-too-slow = {
      reading = "RecordOverflows", statistic = "Sum", above = 0, minutes = 5
      runbook = "alarm-the-recorder-is-too-slow"
      says    = "The recorder's queue is full, and recordings have gaps."
    }
  })

  turn = merge(local.both, {
    no-port = {
      reading = "RefusedNoPort", statistic = "Sum", above = 0, minutes = 5
      runbook = "alarm-turn-has-no-ports"
      says    = "A TURN node refused allocations because it had no port (508)."
    }
    ports-run-out = {
      reading = "RelayPortsTaken", statistic = "Maximum", above = 13000, minutes = 5
      runbook = "alarm-turn-has-no-ports"
      says    = "Four fifths of a TURN node's relay ports are taken."
    }
    over-quota = {
      reading = "OverQuotaDrops", statistic = "Sum", above = 100000, minutes = 10
      runbook = "alarm-relaying-over-quota"
      says    = "Clients relay more than their quota."
    }
  })

  # Every alarm by its key, such as media-sessions-fail.
  alarms = merge(
    { for key, alarm in local.media : "media-${key}" => merge(local.defaults, alarm, { fleet = var.media }) },
    var.turn == null ? {} : { for key, alarm in local.turn : "turn-${key}" => merge(local.defaults, alarm, { fleet = var.turn }) },
  )

  defaults = { statistic = "Sum", above = null, below = null, at_maximum = false, share_of = null, silence = "notBreaching" }

  readings = jsondecode(file("${path.module}/../fleet/host/readings.json"))
}
