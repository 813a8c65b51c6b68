// A network for each browser: a network namespace whose only exit is a cable to a switch; a test can unplug or renumber
// it.
//
// This process must itself be in a separate namespace (`unshare --net`), so that nothing here is visible outside and
// everything disappears with the processes.
import { execFileSync } from "node:child_process";
import { renameSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Program } from "./processes.mjs";
import { splice } from "./relay.mjs";
import { temporaryFolder } from "./temporary.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** A cable with a bad link in it (`tests/link`). */
const LINK = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug/link");
const RELAY = fileURLToPath(new URL("relay.mjs", import.meta.url));
const SWITCH = "switch0";
const PREFIX = "10.64.0";
/** The first of a cable's addresses; each change takes the next. */
const ADDRESS_FIRST = 10;
const ADDRESSES_PER_CABLE = 10;

/** The address of the deployment's programs. */
export const HOST = `${PREFIX}.1`;

/** Creates the switch and connects this process's namespace to it. */
export function makeSwitch() {
  ip("link", "set", "lo", "up");
  ip("link", "add", SWITCH, "type", "bridge");
  ip("address", "add", `${HOST}/24`, "dev", SWITCH);
  ip("link", "set", SWITCH, "up");
  // With every other cable unplugged, the switch itself would be down, and a browser in this namespace would think it
  // has no network.
  ip("link", "add", "anchor0", "type", "veth", "peer", "name", "anchor1");
  ip("link", "set", "anchor0", "master", SWITCH, "up");
  ip("link", "set", "anchor1", "up");
}

/** One namespace with a cable to the switch. */
export class Network {
  static #made = 0;
  #holder;
  #port;
  #address;
  #relay;
  #server;
  #link = null;
  #settings = null;

  /** With `bad`, the cable can also delay and lose packets. */
  static async make({ bad = false } = {}) {
    const network = new Network();
    const number = (Network.#made += 1);
    network.#port = `port${number}`;
    network.#address = ADDRESS_FIRST + number * ADDRESSES_PER_CABLE;
    network.#holder = new Program(`network ${number}`, ["unshare", "--net", "sh", "-c", "echo made; exec sleep infinity"]);
    await network.#holder.line((line) => line === "made");
    if (bad) {
      await network.#joinByLink();
    } else {
      ip("link", "add", network.#port, "type", "veth", "peer", "name", "eth0", "netns", String(network.#holder.pid));
    }
    ip("link", "set", network.#port, "master", SWITCH, "up");
    for (const link of ["lo", "eth0"]) network.#ip("link", "set", link, "up");
    network.#ip("address", "add", `${network.address}/24`, "dev", "eth0");
    return network;
  }

  get address() {
    return `${PREFIX}.${this.#address}`;
  }

  /** Wraps a command to run in this network. */
  inside(command) {
    return ["nsenter", "--target", String(this.#holder.pid), "--net", ...command];
  }

  /** Drops everything without telling either end, like a phone in a tunnel. */
  goDark() {
    bridge("link", "set", "dev", this.#port, "state", "0");
  }

  comeBack() {
    bridge("link", "set", "dev", this.#port, "state", "3");
  }

  /** Drops all incoming datagrams silently, like an office firewall that lets out TCP only. */
  blockUdp() {
    ip("rule", "add", "to", `${this.address}/32`, "ipproto", "udp", "blackhole");
  }

  allowUdp() {
    ip("rule", "delete", "to", `${this.address}/32`, "ipproto", "udp", "blackhole");
  }

  /**
   * Limits the cable in each direction, in kbit/s; `null` means no limit. Packets that would wait longer than 200 ms
   * are dropped.
   */
  limit({ downKbps = null, upKbps = null }) {
    limitDevice(["tc"], this.#port, downKbps);
    limitDevice(this.inside(["tc"]), "eth0", upKbps);
  }

  /** Worsens the cable in both directions, as `tests/link` describes; needs a `bad` one. */
  worsen({ downKbps = 0, upKbps = 0, delayMs = 0, downLoss = 0, upLoss = 0 } = {}) {
    const next = `${this.#settings}.next`;
    writeFileSync(next, `${downKbps} ${delayMs} ${downLoss}\n${upKbps} ${delayMs} ${upLoss}\n`);
    renameSync(next, this.#settings);
  }

  async #joinByLink() {
    this.#settings = join(temporaryFolder("link"), "settings");
    this.worsen();
    this.#link = new Program(`link of ${this.#port}`, [LINK, this.#port, String(this.#holder.pid), "eth0", this.#settings]);
    await this.#link.line((line) => line === "ready");
  }

  /** Replaces the address, as when a phone switches from Wi-Fi to mobile data. */
  changeAddress() {
    const before = this.address;
    this.#address += 1;
    this.#ip("address", "delete", `${before}/24`, "dev", "eth0");
    this.#ip("address", "add", `${this.address}/24`, "dev", "eth0");
  }

  /** Makes a port on the namespace's loopback reachable at the same port of ours. */
  async expose(port) {
    const path = join(temporaryFolder("relay"), "socket");
    this.#relay = new Program("relay", this.inside([process.execPath, RELAY, path, String(port)]));
    await this.#relay.line((line) => line === "ready");
    this.#server = createServer((near) => splice(near, createConnection(path)));
    await new Promise((resolve, reject) => this.#server.once("error", reject).listen(port, "127.0.0.1", resolve));
  }

  async stop() {
    this.#server?.close();
    await this.#relay?.kill();
    await this.#link?.kill();
    await this.#holder.kill();
  }

  #ip(...args) {
    const [program, ...rest] = this.inside(["ip", ...args]);
    execFileSync(program, rest);
  }
}

/** Limits a device's outgoing rate, or lifts the limit. */
function limitDevice([program, ...args], device, kbps) {
  const limit = ["tbf", "rate", `${kbps}kbit`, "burst", "5kb", "latency", "200ms"];
  // A device without a queue has none to delete, but this one has practically no effect.
  const none = ["pfifo", "limit", "1000"];
  execFileSync(program, [...args, "qdisc", "replace", "dev", device, "root", ...(kbps === null ? none : limit)]);
}

function ip(...args) {
  execFileSync("ip", args);
}

function bridge(...args) {
  execFileSync("bridge", args);
}
