#!/usr/bin/python3
"""What an AWS host does for its Rotunda node: settings and program, readings each minute, draining.

`prepare` runs before the node starts, `watch` beside it, `readings` once a minute.
Everything it knows is in host.json, which Terraform writes. Python 3.9 and the aws command only: both come with
Amazon Linux 2023.
"""
import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

CONFIG = "/etc/rotunda/host.json"
METADATA = "http://169.254.169.254/latest"
# A token outlives its host: the group replaces hosts after `max_instance_lifetime`, which is less.
TOKEN_LIFETIME_S = 60 * 24 * 3600
WATCH_INTERVAL_S = 5
# Four heartbeats fit into the drain hook's timeout.
HEARTBEAT_INTERVAL_S = 30
# After that the hook's timeout ends the host, with the same result.
COMPLETE_ATTEMPTS = 5
RETRY_INTERVAL_S = 5


class Mistake(Exception):
    """Something that an operator has to put right."""


class Host:
    """The machine: its metadata service, the aws command, systemd. Tests put another in its place."""

    def __init__(self, config):
        self.config = config
        self.metadata_token = None

    def metadata(self, path):
        """A value of the metadata service, or None where it has none (IMDSv2: a token first)."""
        try:
            request = urllib.request.Request(METADATA + "/api/token", method="PUT")
            request.add_header("X-aws-ec2-metadata-token-ttl-seconds", "60")
            token = urllib.request.urlopen(request, timeout=2).read().decode()
            request = urllib.request.Request(METADATA + "/meta-data/" + path)
            request.add_header("X-aws-ec2-metadata-token", token)
            return urllib.request.urlopen(request, timeout=2).read().decode().strip()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def aws(self, *arguments):
        """The output of the aws command; its error message is in the exception where it fails."""
        command = ["aws", "--region", self.config["aws_region"], "--output", "json"] + list(arguments)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode(errors="replace").strip())
        return done.stdout.decode()

    def page(self, path):
        """A page of the node, or None while it does not answer with 200."""
        try:
            return urllib.request.urlopen(self.config["http"] + path, timeout=5).read().decode()
        except OSError:
            return None

    def stop_node(self):
        """Sends SIGTERM to the node; the unit's TimeoutStopSec bounds how long it may drain."""
        return subprocess.Popen(["systemctl", "stop", self.config["program"]["name"]])

    def journal(self):
        """What the node logged since the last call."""
        command = ["journalctl", "--unit", self.config["program"]["name"], "--output", "cat", "--quiet"]
        command += ["--cursor-file", os.path.join(os.environ["STATE_DIRECTORY"], "cursor")]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=60).stdout.decode(errors="replace")

    def disk_used_percent(self):
        usage = shutil.disk_usage("/var/lib")
        return 100.0 * usage.used / usage.total

    def memory_used_percent(self):
        with open("/proc/meminfo") as lines:
            sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
        return 100.0 - 100.0 * sizes["MemAvailable"] / sizes["MemTotal"]

    def now(self):
        return time.time()

    def sleep(self, seconds):
        time.sleep(seconds)


# --- prepare ---------------------------------------------------------------------------------------------------------


def prepare(host):
    """Fetches the program, registers the host's name, and returns the lines of the node's environment file."""
    config = host.config
    # First, as it takes Route 53 some time: an authority looks it up for the node's certificate.
    change_name(host, "UPSERT")
    fetch_program(host)
    instance = host.metadata("instance-id")
    secrets = read_secrets(host)
    settings = dict(config["settings"])
    for name, sources in config["addresses"].items():
        settings[name] = ",".join(filter(None, [own(host, source) for source in sources]))
    for name in config["secrets"]:
        settings[name] = secrets[name]
    prefix = config["prefix"]
    settings[prefix + "_NODE_ID"] = instance
    settings[prefix + "_NODE_TOKEN"] = node_token(secrets["node_key"], instance, config["region"], int(host.now()))
    return environment_file(settings)


def own(host, source):
    """An address of this host, or its name."""
    return host_name(host) if source == "name" else host.metadata(source)


def host_name(host):
    return "%s.%s" % (host.metadata("instance-id"), host.config["names"]["suffix"])


def fetch_program(host, folder="/usr/local/bin"):
    """Installs the program, unless it is there; nothing is installed whose SHA-256 is another."""
    program = host.config["program"]
    path = os.path.join(folder, program["name"])
    if os.path.exists(path) and sha256(path) == program["sha256"]:
        return
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        fetched = os.path.join(scratch, program["name"])
        host.aws("s3", "cp", "--only-show-errors", "s3://%s/%s" % (program["bucket"], program["key"]), fetched,
                 "--region", program["bucket_region"])
        if sha256(fetched) != program["sha256"]:
            raise Mistake("%s is not the program that Terraform named: its SHA-256 differs" % program["key"])
        os.chmod(fetched, 0o755)
        os.replace(fetched, path)


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def read_secrets(host):
    """The parameters of `secrets` and the node key, by the names they have there."""
    parameters = dict(host.config["secrets"], node_key=host.config["node_key"])
    answer = json.loads(host.aws("ssm", "get-parameters", "--with-decryption", "--names", *sorted(set(parameters.values()))))
    values = {parameter["Name"]: parameter["Value"] for parameter in answer["Parameters"]}
    missing = sorted(set(parameters.values()) - set(values))
    if missing:
        raise Mistake("no such parameter: " + ", ".join(missing))
    return {name: values[parameter] for name, parameter in parameters.items()}


def node_token(key, node, region, now_s):
    """A node token (RFC 7519, HS256) signed with `kid:secret`."""
    kid, secret = key.strip().split(":", 1)

    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    header = {"typ": "JWT", "alg": "HS256", "kid": kid}
    claims = {"aud": "rotunda-node", "sub": node, "region": region, "iat": now_s, "exp": now_s + TOKEN_LIFETIME_S}
    body = ".".join(part(json.dumps(value).encode()) for value in (header, claims))
    return body + "." + part(hmac.new(secret.encode(), body.encode(), hashlib.sha256).digest())


def environment_file(settings):
    """Lines for systemd's EnvironmentFile, in which quotes, backslashes and line breaks have a meaning of their own."""
    for name, value in settings.items():
        if re.search(r"[\"'\\\n\r#;$`]|^\s|\s$", value):
            raise Mistake("the value of %s has a character that an environment file cannot hold" % name)
    return "".join("%s=%s\n" % (name, settings[name]) for name in sorted(settings))


def change_name(host, action):
    """Adds or removes the host's name in Route 53, if the hosts have names."""
    names = host.config.get("names")
    if not names:
        return
    name = host_name(host)
    sources = (("A", "public-ipv4"), ("AAAA", "ipv6"))
    changes = [
        {"Action": action, "ResourceRecordSet": {
            "Name": name, "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": host.metadata(source)}]}}
        for kind, source in sources if host.metadata(source)
    ]
    host.aws("route53", "change-resource-record-sets", "--hosted-zone-id", names["zone"],
             "--change-batch", json.dumps({"Changes": changes}))


# --- watch -----------------------------------------------------------------------------------------------------------


def watch(host):
    """Ends the launch hook once the node is ready, and drains the node when the group wants to end the host."""
    is_launched = False
    while True:
        if not is_launched and host.page("/readyz") is not None:
            is_launched = complete(host, host.config["launch_hook"])  # Failed: the next round tries again.
        if host.metadata("autoscaling/target-lifecycle-state") == "Terminated":
            return drain(host)
        host.sleep(WATCH_INTERVAL_S)


def drain(host):
    """SIGTERM, then heartbeats until the node has drained, then the hook's end."""
    attempt("remove the name", lambda: change_name(host, "DELETE"))
    stopping = host.stop_node()
    while stopping.poll() is None:
        attempt("send a heartbeat", lambda: lifecycle(host, "record-lifecycle-action-heartbeat", host.config["drain_hook"]))
        waited = 0
        while waited < HEARTBEAT_INTERVAL_S and stopping.poll() is None:
            host.sleep(1)
            waited += 1
    for _ in range(COMPLETE_ATTEMPTS):
        if complete(host, host.config["drain_hook"]):
            return
        host.sleep(WATCH_INTERVAL_S)


def complete(host, hook):
    """Whether the hook is over; a host that was only rebooted has none."""
    try:
        lifecycle(host, "complete-lifecycle-action", hook, "--lifecycle-action-result", "CONTINUE")
        return True
    except Exception as error:
        print("could not complete the hook %s: %s" % (hook, error), file=sys.stderr)
        return "No active Lifecycle Action" in str(error)


def lifecycle(host, command, hook, *more):
    group, instance = host.config["group"], host.metadata("instance-id")
    host.aws("autoscaling", command, "--lifecycle-hook-name", hook, "--auto-scaling-group-name", group,
             "--instance-id", instance, *more)


def attempt(what, action):
    """Nothing here may keep a node from draining: a failure is told in the journal."""
    try:
        action()
    except Exception as error:
        print("could not %s: %s" % (what, error), file=sys.stderr)


# --- readings --------------------------------------------------------------------------------------------------------


def readings(host, before):
    """The readings of this minute, and the counters for the next. A node that drains has none: its load says nothing
    about the fleet that is needed."""
    text = host.page("/metrics")
    if text is None:
        return {"Registered": 0.0}, before
    lines = list(parse(text))
    if any(name.endswith("_draining") and value > 0 for name, _, value in lines):
        return {}, before
    journal = host.journal()
    found, counters = {}, {}
    for reading in host.config["readings"]:
        name, how = reading["name"], reading["how"]
        if how == "disk":
            found[name] = host.disk_used_percent()
        elif how == "memory":
            found[name] = host.memory_used_percent()
        elif how == "journal":
            found[name] = float(journal.count(reading["text"]))
        else:
            values = [value for metric, labels, value in lines if is_of(reading, metric, labels)]
            if how == "increase":
                counters[name] = sum(values)
                # A counter that fell belongs to a node that was started again.
                increase = counters[name] - before.get(name, counters[name])
                found[name] = increase if increase >= 0 else counters[name]
            elif how == "days_left":
                # A node without TLS has no such metric.
                if values:
                    found[name] = (min(values) - host.now()) / (24 * 3600)
            else:
                found[name] = {"max": max, "sum": sum}[how](values or [0.0])
    return found, counters


def parse(text):
    """The lines of a metrics page (Prometheus' text format): name, labels, value."""
    for line in text.splitlines():
        matched = re.match(r"^(\w+)(?:\{(.*)\})? (\S+)$", line)
        if matched:
            labels = dict(re.findall(r'(\w+)="([^"]*)"', matched.group(2) or ""))
            yield matched.group(1), labels, float(matched.group(3))


def is_of(reading, metric, labels):
    wanted, unwanted = reading.get("labels", {}), reading.get("without", {})
    return (metric == reading["metric"]
            and all(labels.get(name) == value for name, value in wanted.items())
            and not any(labels.get(name) == value for name, value in unwanted.items()))


def send(host, found):
    """One call for all readings, under the name of the group."""
    dimensions = [{"Name": "AutoScalingGroupName", "Value": host.config["group"]}]
    data = [{"MetricName": name, "Value": value, "Dimensions": dimensions} for name, value in sorted(found.items())]
    if data:
        host.aws("cloudwatch", "put-metric-data", "--namespace", host.config["namespace"], "--metric-data", json.dumps(data))


def main(verb):
    with open(CONFIG) as file:
        host = Host(json.load(file))
    if verb == "prepare":
        os.umask(0o077)
        write("/etc/rotunda/%s.env" % host.config["program"]["name"], until_prepared(host))
    elif verb == "watch":
        watch(host)
    elif verb == "readings":
        path = os.path.join(os.environ["STATE_DIRECTORY"], "counters.json")
        before = {}
        if os.path.exists(path):
            with open(path) as file:
                before = json.load(file)
        found, counters = readings(host, before)
        write(path, json.dumps(counters))
        send(host, found)
    else:
        raise SystemExit("usage: rotunda-host prepare | watch | readings")


def until_prepared(host):
    """The node waits for this, so it tries again for as long as something is away."""
    while True:
        try:
            return prepare(host)
        except Exception as error:
            print("not prepared yet: %s" % error, file=sys.stderr)
            host.sleep(RETRY_INTERVAL_S)


def write(path, text):
    """Replaces a file as a whole: a reader finds the old one or the new one."""
    with open(path + ".new", "w") as file:
        file.write(text)
    os.replace(path + ".new", path)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
