"""Tests of what rotunda-host does to its machine: a metadata service and a node on loopback, and commands that only note
how they were called."""
import http.server
import os
import stat
import tempfile
import threading
import unittest

from test_rotunda_host import config, rotunda_host


class Pages(http.server.BaseHTTPRequestHandler):
    """IMDSv2, which answers nothing without its token, and the pages of a node."""

    def do_PUT(self):
        is_asked_well = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self.answer(200 if is_asked_well else 400, "a-token")

    def do_GET(self):
        if self.path == "/readyz":
            return self.answer(503, "not registered with the edge")
        if self.path == "/metrics":
            return self.answer(200, "media_registered 1\n")
        if self.headers["X-aws-ec2-metadata-token"] != "a-token":
            return self.answer(401, "")
        values = {"/latest/meta-data/instance-id": "i-0abc\n"}
        return self.answer(200 if self.path in values else 404, values.get(self.path, ""))

    def answer(self, status, text):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments):
        pass


class Shell(unittest.TestCase):
    def setUp(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.address = "http://127.0.0.1:%d" % server.server_port
        self.set(rotunda_host, "METADATA", self.address + "/latest")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        path, state = os.environ["PATH"], os.environ.get("STATE_DIRECTORY", "")
        os.environ.update(PATH=self.folder + ":" + path, STATE_DIRECTORY=self.folder)
        self.addCleanup(os.environ.update, {"PATH": path, "STATE_DIRECTORY": state})
        self.host = rotunda_host.Host(config(http=self.address))

    def set(self, module, name, value):
        self.addCleanup(setattr, module, name, getattr(module, name))
        setattr(module, name, value)

    def command(self, name, script):
        """Puts a command on the PATH that notes its words, and then runs `script`."""
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write('#!/bin/sh\necho "$*" >> %s/noted\n%s\n' % (self.folder, script))
        os.chmod(path, stat.S_IRWXU)

    def noted(self):
        with open(os.path.join(self.folder, "noted")) as file:
            return file.read().splitlines()

    def test_metadata_is_asked_with_a_token(self):
        self.assertEqual(self.host.metadata("instance-id"), "i-0abc")
        self.assertIsNone(self.host.metadata("ipv6"), "a host without IPv6")

    def test_a_page_counts_only_with_200(self):
        self.assertEqual(self.host.page("/metrics"), "media_registered 1\n")
        self.assertIsNone(self.host.page("/readyz"))
        self.host.config["http"] = "http://127.0.0.1:1"
        self.assertIsNone(self.host.page("/metrics"))

    def test_the_aws_command_is_called_for_the_hosts_region(self):
        self.command("aws", "echo '{}'")
        self.assertEqual(self.host.aws("ssm", "x"), "{}\n")
        self.assertEqual(self.noted(), ["--region eu-central-1 --output json ssm x"])

    def test_what_aws_refuses_is_told(self):
        self.command("aws", "echo 'No active Lifecycle Action found' >&2; exit 254")
        with self.assertRaisesRegex(RuntimeError, "^No active Lifecycle Action found$"):
            self.host.aws("autoscaling", "x")

    def test_the_node_is_stopped_by_its_unit(self):
        self.command("systemctl", "sleep 0.2")
        stopping = self.host.stop_node()
        self.assertIsNone(stopping.poll(), "it is not waited for")
        self.assertEqual(stopping.wait(10), 0)
        self.assertEqual(self.noted(), ["stop media-node"])

    def test_the_journal_is_read_from_where_it_was_left(self):
        self.command("journalctl", "echo 'a line'")
        self.assertEqual(self.host.journal(), "a line\n")
        self.assertEqual(self.noted(), ["--unit media-node --output cat --quiet --cursor-file %s/cursor" % self.folder])

    def test_disk_and_memory_are_shares(self):
        self.assertTrue(0 < self.host.disk_used_percent() < 100)
        self.assertTrue(0 < self.host.memory_used_percent() < 100)

    def test_a_file_is_replaced_as_a_whole(self):
        path = os.path.join(self.folder, "counters.json")
        rotunda_host.write(path, "{}")
        rotunda_host.write(path, "[]")
        with open(path) as file:
            self.assertEqual(file.read(), "[]")
        self.assertFalse(os.path.exists(path + ".new"))


if __name__ == "__main__":
    unittest.main()
