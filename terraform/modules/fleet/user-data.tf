# The contents of a host: the node's systemd unit from this repository, and a program that looks after the node.

locals {
  host_folder = "/usr/local/lib/rotunda"
  readings    = jsondecode(file("${path.module}/host/readings.json"))[var.kind]

  host_config = {
    program     = merge({ name = var.kind }, { for name, value in var.program : name => value if !endswith(name, "_arn") })
    prefix      = var.prefix
    settings    = var.settings
    addresses   = var.addresses
    secrets     = var.secrets
    node_key    = var.node_key
    region      = var.region
    aws_region  = data.aws_region.current.name
    group       = var.name
    launch_hook = local.launch_hook
    drain_hook  = local.drain_hook
    http        = var.http
    namespace   = var.namespace
    names       = var.names
    readings    = local.readings
  }

  host_units = ["rotunda-prepare.service", "rotunda-watch.service", "rotunda-readings.service", "rotunda-readings.timer"]

  files = concat(
    [
      {
        path        = "/etc/systemd/system/${var.kind}.service"
        permissions = "0644"
        content     = file("${path.module}/../../../docs/systemd/${var.kind}.service")
      },
      {
        path        = "/etc/sysctl.d/90-rotunda.conf"
        permissions = "0644"
        content     = file("${path.module}/../../../docs/systemd/90-rotunda.conf")
      },
      {
        path        = "/etc/systemd/system/${var.kind}.service.d/after-prepare.conf"
        permissions = "0644"
        content     = file("${path.module}/host/after-prepare.conf")
      },
      {
        path        = "${local.host_folder}/rotunda-host"
        permissions = "0755"
        content     = file("${path.module}/host/rotunda-host.py")
      },
      {
        path        = "/etc/rotunda/host.json"
        permissions = "0644"
        content     = jsonencode(local.host_config)
      },
    ],
    [for unit in local.host_units : {
      path        = "/etc/systemd/system/${unit}"
      permissions = "0644"
      content     = file("${path.module}/host/${unit}")
    }],
  )

  user_data = join("\n", ["#cloud-config", yamlencode({
    write_files = local.files
    runcmd = [
      ["sysctl", "--system"],
      ["systemctl", "daemon-reload"],
      # No waiting: the node's unit waits for its settings by itself.
      ["systemctl", "enable", "--now", "--no-block", "rotunda-watch.service", "rotunda-readings.timer", "${var.kind}.service"],
    ]
  })])
}
