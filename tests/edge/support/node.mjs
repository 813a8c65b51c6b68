// A media node without media: it registers, gets rooms, connects to them and follows orders.
import { createHash } from "node:crypto";
import { Socket } from "./socket.mjs";
import { nodeToken } from "./token.mjs";

const HEARTBEAT_INTERVAL_MS = 5_000;
const PATIENCE_MS = 20_000;
/** The digest of this node's imaginary certificate. */
export const fingerprintOf = (id) => createHash("sha256").update(id).digest("hex").toUpperCase().match(/../g).join(":");

export class MediaNode {
  assignments = [];
  /** The socket to each room it serves, by room. */
  rooms = new Map();
  /** Errors of failed connections to rooms. */
  failures = [];
  #waiting = new Set();

  /**
   * Registers a node.
   *
   * @param {boolean} [options.dials] if true, the node connects to assigned rooms
   * @param {boolean} [options.beats] if true, the node sends a heartbeat every five seconds
   */
  static async start(edge, { id = "n1", region = "local", dials = true, beats = true, port = 7000 } = {}) {
    const node = new MediaNode();
    Object.assign(node, { edge, id, region, dials });
    node.socket = await Socket.open(`${edge.ws}/v1/nodes/socket`, "rotunda-node.v1", {
      headers: { authorization: `Bearer ${nodeToken(id, region)}` },
    });
    node.socket.socket.on("message", (data) => node.#hear(JSON.parse(data)));
    node.socket.send({
      type: "register",
      node: id,
      region,
      fingerprint: fingerprintOf(id),
      shards: [{ shard: 0, candidates: [`127.0.0.1:${port}`] }],
      sessions_max: 1000,
    });
    await node.socket.next("registered");
    edge.guests.add(node);
    if (beats) node.timer = setInterval(() => node.beat(), HEARTBEAT_INTERVAL_MS).unref();
    return node;
  }

  beat(load = {}) {
    const idle = { rooms: this.rooms.size, sessions: 0, packets_out_per_s: 0, busiest_shard_permille: 0 };
    this.socket.send({ type: "heartbeat", load: { ...idle, ...load } });
  }

  /** The link to a room, after its `welcome`. */
  async serving(room) {
    return this.#until(() => this.rooms.get(room), `room ${room} at ${this.id}`, PATIENCE_MS);
  }

  async assigned(match = () => true, patienceMs = PATIENCE_MS) {
    return this.#until(() => this.assignments.find(match), `an assignment at ${this.id}`, patienceMs);
  }

  /** Connects to a room with an assignment's ticket and sends `hello`. */
  async dial({ room, ticket, epoch }, connected = []) {
    const link = await RoomLink.open(`${this.edge.ws}/v1/rooms/${room}/node`, "rotunda-node.v1", {
      headers: { authorization: `Bearer ${ticket}` },
    });
    link.send({ type: "hello", node: this.id, epoch, connected });
    return link;
  }

  /** Like a killed process: every socket breaks. */
  die() {
    clearInterval(this.timer);
    this.dials = false;
    this.socket.terminate();
    for (const link of this.rooms.values()) link.terminate();
  }

  #hear(message) {
    if (message.type !== "assign") return;
    this.assignments.push(message);
    this.#wake();
    if (this.dials) this.#serve(message).catch((error) => this.failures.push(error));
  }

  async #serve(message) {
    const link = await this.dial(message, []);
    link.adopt(message.session);
    await link.next((frame) => frame.type === "welcome" || frame.type === "refused");
    this.rooms.set(message.room, link);
    this.#wake();
  }

  #until(find, what, patienceMs) {
    const found = find();
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((resolve, reject) => {
      const attempt = () => {
        const found = find();
        if (found === undefined) return;
        clearTimeout(timer);
        this.#waiting.delete(attempt);
        resolve(found);
      };
      const timer = setTimeout(() => reject(new Error(`timed out waiting for ${what}`)), patienceMs);
      this.#waiting.add(attempt);
    });
  }

  #wake() {
    for (const attempt of [...this.#waiting]) attempt();
  }
}

/** A node's socket to one room, with the accumulated state from the room's messages. */
class RoomLink extends Socket {
  sessions = new Map();
  forwards = new Map();
  /** The sessions that it reported as connected. */
  up = new Set();
  /** The recording order; `null` without one. */
  order = null;

  constructor(socket) {
    super(socket);
    socket.on("message", (data) => this.#apply(JSON.parse(data)));
  }

  adopt(session) {
    if (session && !this.sessions.has(session.session)) this.sessions.set(session.session, session);
  }

  /** Reports to the room that a session's media is connected. */
  connected(session) {
    this.up.add(session);
    this.send({ type: "session_connected", session });
  }

  #apply(message) {
    if (message.type === "welcome") {
      this.sessions = new Map(message.sessions.map((session) => [session.session, session]));
      this.forwards.clear();
      this.order = message.recording;
    }
    if (message.type === "set_recording") this.order = message.recording;
    if (message.type === "set_session") this.sessions.set(message.session.session, message.session);
    if (message.type === "close_session") this.sessions.delete(message.session);
    for (const { session, mid, track } of message.forwards ?? []) this.forwards.set(`${session}/${mid}`, track);
  }
}
