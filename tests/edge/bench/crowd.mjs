// Clients that read nothing but the replies to their requests, so that a thousand of them cost little.
import WebSocket from "ws";
import { OFFER, TRACKS } from "../support/client.mjs";
import { joinToken } from "../support/token.mjs";

const PUBLISHERS_MAX = 30;
const PATIENCE_MS = 60_000;
/** The reply's number is among the first fields. */
const HEAD_BYTES = 64;

/** The first participants publish: a third of a small room, thirty of a large one. */
export const publishersOf = (count) => Math.min(PUBLISHERS_MAX, Math.ceil(count * 0.3));

export class Member {
  bytes = 0;
  frames = 0;
  /** The last revision of the roster that a frame named. */
  revision = null;
  #requests = 0;
  #waiting = new Map();
  #expected = new Set();

  /** With a resume `secret` instead of a new token. */
  static open(edge, room, number, claims, secret) {
    const id = `p${number}`;
    const headers = { "cf-connecting-ip": `2001:db8:${(number >> 8).toString(16)}:${(number & 255).toString(16)}00::1` };
    const protocols = ["rotunda.v1", secret ? `resume.${secret}` : `token.${joinToken(room, id, claims)}`];
    const socket = new WebSocket(`${edge.ws}/v1/rooms/${room}/socket`, protocols, { perMessageDeflate: false, headers });
    return new Promise((resolve, reject) => {
      const member = new Member(id, socket);
      socket.once("open", () => resolve(member));
      socket.once("error", reject);
    });
  }

  constructor(id, socket) {
    Object.assign(this, { id, socket });
    socket.on("message", (data) => {
      this.bytes += data.length;
      this.frames += 1;
      const at = data.lastIndexOf('"revision":');
      if (at !== -1) this.revision = Number.parseInt(data.toString("latin1", at + '"revision":'.length), 10);
      for (const expectation of this.#expected) expectation(data);
      const [, number] = /"in_reply_to":(\d+)/.exec(data.toString("latin1", 0, HEAD_BYTES)) ?? [];
      const resolve = this.#waiting.get(Number(number));
      if (!resolve) return;
      this.#waiting.delete(Number(number));
      resolve(data.toString());
    });
    socket.on("close", (code) => (this.closed = code));
  }

  /** The next frame with each of these texts. */
  hears(...texts) {
    return new Promise((resolve, reject) => {
      const expectation = (data) => {
        const frame = data.toString();
        if (texts.every((text) => frame.includes(text))) end(resolve, frame);
      };
      const end = (settle, result) => {
        clearTimeout(timer);
        this.#expected.delete(expectation);
        settle(result);
      };
      const timer = setTimeout(() => end(reject, new Error(`${this.id} heard no ${texts.join()}; closed: ${this.closed}`)), PATIENCE_MS);
      this.#expected.add(expectation);
    });
  }

  /** The text of the reply. */
  request(message) {
    this.#requests += 1;
    const id = this.#requests;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.id} got no reply to ${message.type}; closed: ${this.closed}`)), PATIENCE_MS);
      this.#waiting.set(id, (text) => {
        clearTimeout(timer);
        resolve(text);
      });
      this.socket.send(JSON.stringify({ id, ...message }));
    });
  }
}

export class Crowd {
  members = [];

  /** @param {number} size people in the full room */
  constructor(edge, room, size) {
    Object.assign(this, { edge, room, size });
  }

  /** The next participant joins. */
  async join() {
    const number = this.members.length;
    const publishes = number < publishersOf(this.size);
    const member = await Member.open(this.edge, this.room, number, { participants_max: 1_000, grants: { publish: publishes } });
    this.members.push(member);
    const reply = await member.request({ type: "join", attempt: crypto.randomUUID(), offer: OFFER, tracks: publishes ? TRACKS : [] });
    if (!reply.startsWith('{"type":"joined"')) throw new Error(`${member.id} was not let in: ${reply}`);
    return reply;
  }

  bytes() {
    return this.members.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  end() {
    for (const { socket } of this.members) socket.terminate();
  }
}
