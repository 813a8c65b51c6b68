// The flow of an earlier system, step by step. After each step it is known who was told what; everybody else was told nothing.
import assert from "node:assert/strict";
import { Client } from "./client.mjs";
import { MediaNode } from "./node.mjs";
import { withStoredEdge } from "./stored.mjs";

/** Follow from the media and the state of a call, in any order with the rest. */
const OF_MEDIA = new Set(["room_updated", "slots_changed", "sections_needed", "layers_wanted", "pong"]);

export class Flow {
  /** Everything that each participant was told, as frames. */
  heard = new Map();
  people = new Map();
  #between;

  /** `between` runs after each step: `asleep`, `killed`, or nothing. */
  constructor(edge, room, between = async () => {}) {
    Object.assign(this, { edge, room });
    this.#between = between;
  }

  /** Plays `body` with a Worker that is killed after every step, and its storage. */
  static playKilled(room, body) {
    return withStoredEdge({}, (edge) => Flow.play(edge, room, killed, body));
  }

  /** Plays `body` with a media node, which leaves afterwards. */
  static async play(edge, room, between, body) {
    const flow = new Flow(edge, room, between);
    flow.node = await MediaNode.start(edge);
    await body(flow);
    for (const client of flow.people.values()) client.terminate();
    flow.node.die();
    return flow;
  }

  client(name) {
    return this.people.get(name);
  }

  async connect(name, claims = {}) {
    this.people.set(name, await Client.connect(this.edge, this.room, name, { claims }));
    return this.client(name);
  }

  /** Connects and joins as one step; `told` is for the others. */
  join(name, { grants, tracks, name: display, ...rest }, told = {}) {
    return this.step(`${name} joins`, async () => {
      const client = await this.connect(name, { ...(grants && { grants }), ...(display && { name: display }) });
      const joined = await client.join({ attempt: `on-${name}`, ...(tracks && { tracks }), ...rest });
      if (joined.type === "joined") await this.node.serving(this.room);
      return joined;
    }, { [name]: ["joined"], ...told });
  }

  /** One participant's request. */
  ask(name, message, told = {}) {
    const { [name]: own = ["done"], ...others } = told;
    return this.step(`${name}: ${message.type}`, () => this.client(name).request(message), { [name]: own, ...others });
  }

  /** A message to one participant about a connection of their own. */
  tell(name, to, signal, told = {}) {
    this.sent = (this.sent ?? 0) + 1;
    return this.ask(name, { type: "signal", to, message: `m-${this.sent}`, link: 1, signal }, told);
  }

  /** Does something, and asserts what each participant was told; those who are not named, nothing. */
  async step(what, act, told = {}) {
    for (const client of this.people.values()) client.forget();
    const result = await act();
    const open = [...this.people].filter(([, client]) => client.closed === null || client.frames.length > 0);
    await Promise.all(open.map(([, client]) => client.settle()));
    const actual = {};
    this.heard.clear();
    for (const [name, client] of open) {
      const frames = client.frames.filter((frame) => !OF_MEDIA.has(frame.type ?? frame));
      this.heard.set(name, frames);
      if (frames.length > 0) actual[name] = frames.map(words).sort();
    }
    const expected = Object.fromEntries(Object.entries(told).filter(([, lines]) => lines.length > 0));
    for (const lines of Object.values(expected)) lines.sort();
    assert.deepEqual(actual, expected, what);
    await this.#between(this, this.edge);
    return result;
  }

  /** The participants with a session and a socket. */
  present() {
    // The Close may come a moment after the last message.
    const isIn = ({ closed, session, frames }) => closed === null && session !== undefined && !frames.some(({ type }) => type === "removed");
    return [...this.people].filter(([, client]) => isIn(client));
  }

  /** These resume after the Worker was killed. */
  async comeBack(sessions) {
    const { ticket, epoch } = this.node.assignments.findLast(({ room }) => room === this.room) ?? {};
    const { up = new Set() } = this.node.rooms.get(this.room) ?? {};
    this.node.die();
    this.node = await MediaNode.start(this.edge);
    if (epoch !== undefined) {
      // The node kept forwarding, and names the sessions that it serves.
      const link = await this.node.dial({ room: this.room, ticket, epoch }, [...up]);
      // It is refused once the room has ended.
      await link.next(({ type }) => type === "welcome" || type === "refused");
      link.up = up;
      this.node.rooms.set(this.room, link);
      this.node.assignments.push({ room: this.room, ticket, epoch });
    }
    for (const [name, { session }] of sessions) {
      const client = await this.connect(name);
      assert.equal((await client.resume(session)).type, "resumed", name);
      client.session = { session: session.session, resume_token: client.frames.find(({ type }) => type === "resumed").resume_token };
    }
    await Promise.all([...this.people.values()].map((client) => client.settle()));
  }
}

/** Takes the room out of memory, as hibernation does. */
export async function asleep({ room }, edge) {
  await edge.hibernate(room).catch((error) => {
    // It has slept since before the step.
    if (!error.message.includes("not currently running")) throw error;
  });
}

/** `kill -9` of workerd, after which everybody resumes. */
export async function killed(flow, edge) {
  const present = flow.present();
  await edge.kill();
  await edge.again();
  await flow.comeBack(present);
}

/** A frame in few words. */
function words(frame) {
  switch (frame.type) {
    case "error":
    case "refused":
      return `${frame.type} ${frame.code}`;
    case "removed":
      return `removed ${frame.code}${frame.reason ? `: ${frame.reason}` : ""}`;
    case "sought":
      return `sought by ${frame.from}`;
    case "signaled":
      return `${frame.signal.kind} from ${frame.from}`;
    case "participant_joined":
      return `joined ${frame.participant.id}`;
    case "participant_updated":
      return `updated ${frame.participant.id}`;
    case "participant_left":
      return `left ${frame.participant} ${frame.reason}`;
    case "chat":
      return `chat ${frame.messages.map(({ participant, text }) => `${participant}: ${text}`).join(", ")}`;
    case "reacted":
      return `reacted ${frame.participant}`;
    case "recording_updated":
      return `recording ${frame.recording.state}`;
    default:
      return frame.type ?? String(frame);
  }
}

/** Descriptions in the form that browsers write; the room reads only whether they send. */
export const SENDING = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=sendonly\r\n";
export const RECEIVING = SENDING.replace("sendonly", "recvonly");
export const BOTH = SENDING.replace("sendonly", "sendrecv");
const CANDIDATE = { candidate: "candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host", mid: "0", ufrag: "F7gI" };

export const offer = (sdp = SENDING) => ({ kind: "offer", sdp });
export const answer = (sdp = RECEIVING) => ({ kind: "answer", sdp });
export const candidates = (...more) => ({ kind: "candidates", candidates: [CANDIDATE, ...more] });
export const requestOffer = { kind: "request_offer" };

export const HOST = { publish: true, subscribe: true, chat: true, moderate: true, record: true };
export const PARTICIPANT = { publish: true, subscribe: true, chat: true, moderate: false, record: false };
export const VIEWER = { ...PARTICIPANT, publish: false };
export const BROADCASTER = { ...PARTICIPANT, subscribe: false };
export const RECEIVER = VIEWER;
