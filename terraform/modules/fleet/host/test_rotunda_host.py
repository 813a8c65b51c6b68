"""Tests of rotunda-host, against a fake host. Run with `python3 -m unittest discover`, as `cargo xtask test` does."""
import base64
import contextlib
import hashlib
import hmac
import importlib.util
import io
import json
import os
import tempfile
import unittest
from importlib.machinery import SourceFileLoader

HERE = os.path.dirname(os.path.abspath(__file__))
LOADER = SourceFileLoader("rotunda_host", os.path.join(HERE, "rotunda-host.py"))
SPEC = importlib.util.spec_from_loader("rotunda_host", LOADER)
rotunda_host = importlib.util.module_from_spec(SPEC)
LOADER.exec_module(rotunda_host)

SECRET = "0123456789abcdef0123456789abcdef"
PROGRAM = b"the program"
METRICS = """# TYPE media_registered gauge
media_registered 1
media_draining 0
media_shard_busy_permille{shard="0"} 250
media_shard_busy_permille{shard="1"} 640
media_sessions{shard="0"} 10
media_sessions{shard="1"} 32
media_sessions_failed_total{shard="0"} 5
media_drops_total{reason="paced"} 7
media_drops_total{reason="malformed_rtp"} 7
"""


def config(**more):
    with open(os.path.join(HERE, "readings.json")) as file:
        kinds = json.load(file)
    settings = {
        "program": {"name": "media-node", "bucket": "programs", "bucket_region": "eu-central-1",
                    "key": "media-node/arm64", "sha256": hashlib.sha256(PROGRAM).hexdigest()},
        "prefix": "MEDIA", "settings": {"MEDIA_EDGE": "wss://edge.example.org"},
        "addresses": {"MEDIA_ADVERTISE": ["public-ipv4", "ipv6"]},
        "secrets": {"MEDIA_RECORD_SECRET_ACCESS_KEY": "/rotunda/record-secret"}, "node_key": "/rotunda/node-key",
        "region": "eu-central", "aws_region": "eu-central-1", "group": "media", "launch_hook": "ready",
        "drain_hook": "drain", "http": "http://127.0.0.1:7080", "namespace": "Rotunda",
        "readings": kinds["media-node"],
    }
    settings.update(more)
    return settings


class Stop:
    """A `systemctl stop` that takes this many looks to end."""

    def __init__(self, looks):
        self.looks = looks

    def poll(self):
        self.looks -= 1
        return None if self.looks >= 0 else 0


class FakeHost:
    def __init__(self, states=(), refusals=(), page=METRICS, **more):
        self.config = config(**more)
        self.done, self.states, self.refusals, self.text = [], list(states), list(refusals), page
        self.values = {"instance-id": "i-0abc", "public-ipv4": "203.0.113.7", "local-ipv4": "10.0.0.7", "ipv6": "2001:db8::7"}
        self.log = ""

    def metadata(self, path):
        if path == "autoscaling/target-lifecycle-state":
            return self.states.pop(0) if self.states else "Terminated"
        return self.values.get(path)

    def aws(self, *arguments):
        self.done.append(" ".join(arguments))
        if self.refusals:
            refusal = self.refusals.pop(0)
            if refusal:
                raise RuntimeError(refusal)
        if arguments[:2] == ("ssm", "get-parameters"):
            values = {"/rotunda/node-key": "k1:" + SECRET, "/rotunda/record-secret": "hunter2"}
            names = arguments[arguments.index("--names") + 1:]
            return json.dumps({"Parameters": [{"Name": name, "Value": values[name]} for name in names if name in values]})
        if arguments[:2] == ("s3", "cp"):
            with open(arguments[4], "wb") as file:
                file.write(PROGRAM)
        return ""

    def page(self, path):
        return self.text

    def stop_node(self):
        self.done.append("SIGTERM")
        return Stop(70)

    def journal(self):
        return self.log

    def disk_used_percent(self):
        return 12.5

    def memory_used_percent(self):
        return 50.0

    def now(self):
        return 1_800_000_000.5

    def sleep(self, seconds):
        self.done.append("slept %d" % seconds)

    def told(self):
        """What was done, without sleeping."""
        return [done for done in self.done if not done.startswith("slept")]


def quietly(action, *arguments):
    with contextlib.redirect_stderr(io.StringIO()):
        return action(*arguments)


class Prepare(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_the_environment_file_has_addresses_secrets_and_a_token(self):
        host = FakeHost()
        rotunda_host.fetch_program = lambda host: None
        self.addCleanup(LOADER.exec_module, rotunda_host)
        lines = dict(line.split("=", 1) for line in rotunda_host.prepare(host).splitlines())
        self.assertEqual(lines["MEDIA_ADVERTISE"], "203.0.113.7,2001:db8::7")
        self.assertEqual(lines["MEDIA_RECORD_SECRET_ACCESS_KEY"], "hunter2")
        self.assertEqual((lines["MEDIA_EDGE"], lines["MEDIA_NODE_ID"]), ("wss://edge.example.org", "i-0abc"))
        body, signature = lines["MEDIA_NODE_TOKEN"].rsplit(".", 1)
        expected = hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).digest()
        self.assertEqual(base64.urlsafe_b64decode(signature + "="), expected)
        claims = json.loads(base64.urlsafe_b64decode(body.split(".")[1] + "=="))
        self.assertEqual((claims["aud"], claims["sub"], claims["region"]), ("rotunda-node", "i-0abc", "eu-central"))
        self.assertEqual(claims["exp"] - claims["iat"], rotunda_host.TOKEN_LIFETIME_S)

    def test_a_host_without_ipv6_advertises_none(self):
        host = FakeHost(secrets={}, names={"zone": "Z1", "suffix": "eu.example.org"})
        host.values["ipv6"] = None
        rotunda_host.fetch_program = lambda host: None
        self.addCleanup(LOADER.exec_module, rotunda_host)
        self.assertIn("MEDIA_ADVERTISE=203.0.113.7\n", rotunda_host.prepare(host))
        change = next(command for command in host.done if '"Action": "UPSERT"' in command)
        self.assertIn('"Name": "i-0abc.eu.example.org", "Type": "A"', change)
        self.assertNotIn("AAAA", change)

    def test_a_setting_may_be_the_name_that_is_registered(self):
        host = FakeHost(secrets={}, names={"zone": "Z1", "suffix": "eu.example.org"}, addresses={"TURN_TLS_NAME": ["name"]})
        rotunda_host.fetch_program = lambda host: None
        self.addCleanup(LOADER.exec_module, rotunda_host)
        self.assertIn("TURN_TLS_NAME=i-0abc.eu.example.org\n", rotunda_host.prepare(host))
        self.assertIn('"Name": "i-0abc.eu.example.org"', host.done[0], "before anything that takes long")

    def test_a_missing_parameter_is_named(self):
        with self.assertRaisesRegex(rotunda_host.Mistake, "/rotunda/other"):
            rotunda_host.read_secrets(FakeHost(secrets={"TURN_KEYS": "/rotunda/other"}))

    def test_only_the_named_program_is_installed(self):
        path = os.path.join(self.folder, "media-node")
        host = FakeHost()
        rotunda_host.fetch_program(host, self.folder)
        with open(path, "rb") as file:
            self.assertEqual(file.read(), PROGRAM)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o755)
        rotunda_host.fetch_program(host, self.folder)
        self.assertEqual(len(host.done), 1, "what is there is not fetched again")
        host.config["program"]["sha256"] = "0" * 64
        with self.assertRaisesRegex(rotunda_host.Mistake, "SHA-256"):
            rotunda_host.fetch_program(host, self.folder)
        with open(path, "rb") as file:
            self.assertEqual(file.read(), PROGRAM)

    def test_what_an_environment_file_cannot_hold_is_refused(self):
        for value in ('a"b', "a'b", "a\\b", "a\nb", " a", "a#b", "$a"):
            with self.assertRaises(rotunda_host.Mistake):
                rotunda_host.environment_file({"A": value})
        self.assertEqual(rotunda_host.environment_file({"B": "[::]:1", "A": "k1:ab,k2:cd"}), "A=k1:ab,k2:cd\nB=[::]:1\n")

    def test_it_tries_again_while_something_is_away(self):
        host = FakeHost(refusals=["no route"], secrets={})
        rotunda_host.fetch_program = lambda host: None
        self.addCleanup(LOADER.exec_module, rotunda_host)
        self.assertIn("MEDIA_NODE_ID=i-0abc", quietly(rotunda_host.until_prepared, host))


class Watch(unittest.TestCase):
    HOOK = "autoscaling %s --lifecycle-hook-name %s --auto-scaling-group-name media --instance-id i-0abc"
    COMPLETE = HOOK + " --lifecycle-action-result CONTINUE"
    READY = COMPLETE % ("complete-lifecycle-action", "ready")
    DRAINED = COMPLETE % ("complete-lifecycle-action", "drain")
    HEARTBEAT = HOOK % ("record-lifecycle-action-heartbeat", "drain")

    def test_drains_with_heartbeats_and_then_ends_the_hook(self):
        host = FakeHost(states=["InService", "InService"])
        rotunda_host.watch(host)
        # 70 looks at one a second, with a heartbeat each 30 s: at once, after 30 s and after 60 s.
        self.assertEqual(host.told(), [self.READY, "SIGTERM"] + 3 * [self.HEARTBEAT] + [self.DRAINED])

    def test_a_node_that_is_not_ready_leaves_the_launch_hook_open(self):
        host = FakeHost(states=["InService"] * 3, page=None)
        rotunda_host.watch(host)
        self.assertNotIn(self.READY, host.told())
        self.assertEqual(host.told()[-1], self.DRAINED)

    def test_a_refused_heartbeat_stops_no_drain(self):
        host = FakeHost(refusals=["No active Lifecycle Action found"] + 3 * ["Throttling"])
        quietly(rotunda_host.watch, host)
        self.assertEqual(host.told(), [self.READY, "SIGTERM"] + 3 * [self.HEARTBEAT] + [self.DRAINED])

    def test_a_hook_that_could_not_be_completed_is_completed_later(self):
        host = FakeHost(states=["InService"] * 2, refusals=["Throttling", None] + 3 * [None] + ["Throttling"])
        quietly(rotunda_host.watch, host)
        self.assertEqual(host.told(), [self.READY, self.READY, "SIGTERM"] + 3 * [self.HEARTBEAT] + 2 * [self.DRAINED])

    def test_a_rebooted_host_has_no_launch_hook_to_complete(self):
        host = FakeHost(states=["InService"] * 3, refusals=["ValidationError: No active Lifecycle Action found"])
        quietly(rotunda_host.watch, host)
        self.assertEqual(host.told().count(self.READY), 1)

    def test_the_name_goes_first(self):
        host = FakeHost(names={"zone": "Z1", "suffix": "eu.example.org"})
        rotunda_host.watch(host)
        told = host.told()
        removed = next(index for index, done in enumerate(told) if '"Action": "DELETE"' in done)
        self.assertLess(removed, told.index("SIGTERM"))
        self.assertIn('"Type": "AAAA"', told[removed])


class Readings(unittest.TestCase):
    def test_each_reading_is_taken_as_it_says(self):
        host = FakeHost()
        host.log = "a\nthe shard's thread has ended: its sessions are lost\n"
        found, counters = rotunda_host.readings(host, {"SessionsFailed": 2, "PacedDrops": 9})
        self.assertEqual(found["BusiestShardPermille"], 640)
        self.assertEqual(found["Sessions"], 42)
        self.assertEqual(found["Registered"], 1)
        self.assertEqual(found["SessionsFailed"], 3)
        self.assertEqual(found["PacedDrops"], 7, "the node was started again")
        self.assertEqual(found["OtherDrops"], 0, "nothing is known of the time before")
        self.assertEqual(counters["OtherDrops"], 7)
        self.assertEqual(found["ShardsEnded"], 1)
        self.assertEqual((found["DiskUsedPercent"], found["MemoryUsedPercent"]), (12.5, 50.0))
        self.assertEqual(sorted(found), sorted(reading["name"] for reading in host.config["readings"]))

    def test_a_node_that_does_not_answer_is_not_registered(self):
        found, counters = rotunda_host.readings(FakeHost(page=None), {"SessionsFailed": 2})
        self.assertEqual((found, counters), ({"Registered": 0.0}, {"SessionsFailed": 2}))

    def test_the_days_of_a_certificate_are_counted_from_now(self):
        host = FakeHost(readings=[{"name": "CertificateDaysLeft", "how": "days_left", "metric": "turn_end"}],
                        page="turn_end %d\n" % (1_800_000_000 + 36 * 3600))
        self.assertAlmostEqual(rotunda_host.readings(host, {})[0]["CertificateDaysLeft"], 1.5, places=3)
        host.text = "turn_registered 1\n"
        self.assertEqual(rotunda_host.readings(host, {})[0], {})

    def test_a_draining_node_says_nothing(self):
        text = METRICS.replace("media_draining 0", "media_draining 1")
        self.assertEqual(rotunda_host.readings(FakeHost(page=text), {}), ({}, {}))

    def test_one_call_sends_all_under_the_groups_name(self):
        host = FakeHost()
        rotunda_host.send(host, {"Sessions": 3.0, "Registered": 1.0})
        self.assertEqual(len(host.done), 1)
        self.assertIn('"MetricName": "Registered", "Value": 1.0, "Dimensions": [{"Name": "AutoScalingGroupName", "Value": "media"}]', host.done[0])
        rotunda_host.send(host, {})
        self.assertEqual(len(host.done), 1)


if __name__ == "__main__":
    unittest.main()
