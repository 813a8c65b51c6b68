"""Every alarm fires: metrics pages of nodes in trouble go through the host's own readings, and what it sends is judged
by CloudWatch's rules as modules/alarms/main.tf sets them. A healthy fleet, and trouble that is over in time, fire none."""
import json
import os
import unittest

from test_rotunda_host import FakeHost, HERE, rotunda_host

with open(os.path.join(HERE, "..", "..", "alarms", "alarms.json")) as file:
    TABLE = json.load(file)
with open(os.path.join(HERE, "readings.json")) as file:
    READINGS = json.load(file)
HOSTS_MAX = 5
DAY_S = 24 * 3600
# More than any alarm takes.
HEALTHY_MINUTES = 31

MEDIA = {
    "media_registered": 1, "media_draining": 0, 'media_shard_busy_permille{shard="0"}': 300,
    'media_sessions_connected_total{shard="0"}': 40, 'media_sessions_failed_total{shard="0"}': 0,
    'media_udp_send_overflows_total{shard="0"}': 0, 'media_record_overflows_total{shard="0"}': 0,
    'media_uplink_overloads_total{shard="0"}': 0, 'media_drops_total{reason="paced"}': 0,
    'media_drops_total{reason="malformed_rtp"}': 0,
}
TURN = {
    "turn_registered": 1, "turn_certificate_expiration_timestamp_seconds": FakeHost().now() + 60 * DAY_S,
    'turn_shard_busy_permille{shard="0"}': 300, "turn_relay_ports_taken": 100,
    'turn_refused_total{code="508"}': 0, 'turn_drops_total{reason="over_quota"}': 0,
    'turn_udp_send_overflows_total{shard="0"}': 0,
}

# What a minute of trouble does: the value of a gauge, or what a counter grows by.
TROUBLE = {
    ("both", "not-registered"): {"registered": 0},
    ("both", "core-saturated"): {'shard_busy_permille{shard="0"}': 801},
    ("both", "send-buffer-full"): {'udp_send_overflows_total{shard="0"}': 21},
    ("both", "disk-full"): {"disk": 81.0},
    ("both", "memory-full"): {"memory": 91.0},
    ("both", "at-maximum"): {"hosts": HOSTS_MAX},
    ("media-node", "sessions-fail"): {'sessions_connected_total{shard="0"}': 8, 'sessions_failed_total{shard="0"}': 1},
    ("media-node", "shard-ended"): {"journal": "ERROR the shard's thread has ended shard=0"},
    ("media-node", "uplinks-overloaded"): {'uplink_overloads_total{shard="0"}': 21},
    ("media-node", "video-dropped"): {'drops_total{reason="paced"}': 2_001},
    ("media-node", "unknown-datagrams"): {'drops_total{reason="malformed_rtp"}': 10_001},
    ("media-node", "recorder-too-slow"): {'record_overflows_total{shard="0"}': 1},
    ("turn-node", "no-port"): {'refused_total{code="508"}': 1},
    ("turn-node", "ports-run-out"): {"relay_ports_taken": 13_001},
    ("turn-node", "certificate-expires"): {"certificate_expiration_timestamp_seconds": FakeHost().now() + 6.9 * DAY_S},
    ("turn-node", "over-quota"): {'drops_total{reason="over_quota"}': 10_001},
}


class Fleet:
    """A host that reports once a minute."""

    def __init__(self, kind):
        self.kind, self.prefix = kind, "media_" if kind == "media-node" else "turn_"
        self.page, self.counters = dict(MEDIA if kind == "media-node" else TURN), {}
        self.host = FakeHost(readings=READINGS[kind])
        self.host.disk_used_percent, self.host.memory_used_percent = lambda: 30.0, lambda: 40.0
        self.sent = []

    def minute(self, trouble):
        page, hosts, self.host.log = dict(self.page), 2, ""
        for name, value in trouble.items():
            if name == "disk":
                self.host.disk_used_percent = lambda: value
            elif name == "memory":
                self.host.memory_used_percent = lambda: value
            elif name == "hosts":
                hosts = value
            elif name == "journal":
                self.host.log = value
            elif "_total" in name:
                self.page[self.prefix + name] += value
                page[self.prefix + name] = self.page[self.prefix + name]
            else:
                assert self.prefix + name in page, name
                page[self.prefix + name] = value
        self.host.text = "\n".join("%s %s" % line for line in page.items())
        found, self.counters = rotunda_host.readings(self.host, self.counters)
        self.sent.append(dict(found, GroupInServiceInstances=float(hosts)))

    def silence(self):
        """The host is gone."""
        self.sent.append({})

    def fires(self, alarm):
        """modules/alarms/main.tf: a sum is taken over the whole time; of other statistics each minute has to be bad."""
        minutes = self.sent[-alarm["minutes"]:]
        if len(minutes) < alarm["minutes"]:
            return False

        def total(reading):
            return sum(minute.get(reading, 0.0) for minute in minutes)

        if "share_of" in alarm:
            bad, good = total(alarm["reading"]), total(alarm["share_of"])
            return (100 * bad / (bad + good) if bad + good >= 20 else 0) > alarm["above"]
        if alarm.get("statistic", "Sum") == "Sum":
            return total(alarm["reading"]) > alarm["above"]

        def is_bad(minute):
            if alarm["reading"] not in minute:
                return alarm.get("silence") == "breaching"
            value = minute[alarm["reading"]]
            if "below" in alarm:
                return value < alarm["below"]
            return value >= HOSTS_MAX if alarm.get("at_maximum") else value > alarm["above"]

        return all(is_bad(minute) for minute in minutes)


def alarms(kind):
    return dict(TABLE["both"], **TABLE[kind])


class EveryAlarm(unittest.TestCase):
    def firing(self, fleet):
        return sorted(key for key, alarm in alarms(fleet.kind).items() if fleet.fires(alarm))

    def test_each_has_trouble_that_fires_it_and_nothing_else(self):
        known = {(group, key) for group, table in TABLE.items() for key in table}
        self.assertEqual(known, set(TROUBLE))
        for (group, key), trouble in TROUBLE.items():
            for kind in ["media-node", "turn-node"] if group == "both" else [group]:
                with self.subTest(alarm=key, kind=kind):
                    fleet = Fleet(kind)
                    for _ in range(HEALTHY_MINUTES):
                        fleet.minute({})
                    self.assertEqual(self.firing(fleet), [], "a healthy fleet")
                    for _ in range(alarms(kind)[key]["minutes"]):
                        fleet.minute(trouble)
                    self.assertEqual(self.firing(fleet), [key])

    def test_trouble_that_ends_a_minute_early_fires_none(self):
        for (group, key), trouble in TROUBLE.items():
            alarm = TABLE[group][key]
            if alarm.get("statistic", "Sum") == "Sum":
                continue
            fleet = Fleet("media-node" if group == "both" else group)
            for _ in range(HEALTHY_MINUTES):
                fleet.minute({})
            for _ in range(alarm["minutes"] - 1):
                fleet.minute(trouble)
            fleet.host.disk_used_percent, fleet.host.memory_used_percent = lambda: 30.0, lambda: 40.0
            fleet.minute({})
            self.assertEqual(self.firing(fleet), [], key)

    def test_a_node_without_its_first_certificate_fires_and_one_without_tls_does_not(self):
        for end, expected in [(0, ["certificate-expires"]), (None, [])]:
            fleet = Fleet("turn-node")
            if end is None:
                del fleet.page["turn_certificate_expiration_timestamp_seconds"]
            else:
                fleet.page["turn_certificate_expiration_timestamp_seconds"] = end
            for _ in range(HEALTHY_MINUTES):
                fleet.minute({})
            self.assertEqual(self.firing(fleet), expected)

    def test_a_tenth_of_a_few_sessions_fires_none(self):
        fleet = Fleet("media-node")
        for _ in range(HEALTHY_MINUTES):
            fleet.minute({})
        fleet.minute({'sessions_connected_total{shard="0"}': 9, 'sessions_failed_total{shard="0"}': 9})
        self.assertEqual(self.firing(fleet), [])

    def test_a_node_that_does_not_answer_is_not_registered(self):
        fleet = Fleet("media-node")
        for _ in range(HEALTHY_MINUTES):
            fleet.minute({})
        fleet.host.page = lambda path: None
        for _ in range(TABLE["both"]["not-registered"]["minutes"]):
            fleet.minute({})
        self.assertEqual(self.firing(fleet), ["not-registered"])

    def test_a_fleet_that_says_nothing_is_not_registered(self):
        fleet = Fleet("media-node")
        for _ in range(HEALTHY_MINUTES):
            fleet.minute({})
        for _ in range(TABLE["both"]["not-registered"]["minutes"]):
            fleet.silence()
        self.assertEqual(self.firing(fleet), ["not-registered"])


if __name__ == "__main__":
    unittest.main()
