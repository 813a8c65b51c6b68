// A client of the signaling protocol: what the SDK says, without a browser.
import { readFileSync } from "node:fs";
import { Socket } from "./socket.mjs";
import { joinToken } from "./token.mjs";

/** What a browser offered: publishes mid 0 (sound) and 1 (pictures), receives in the sixteen after them. */
export const OFFER = readVector("chromium-join");
/** The same with other ICE credentials. */
export const OFFER_ICE_RESTART = readVector("chromium-ice-restart");

export const TRACKS = [
  { mid: "0", source: "microphone" },
  { mid: "1", source: "camera" },
];

export class Client extends Socket {
  #requests = 0;

  /**
   * Opens the socket of `participant`; `token` replaces the whole token, `claims` parts of it; `address` is where it says to come from;
   * for `overlaps` see `Socket.open`.
   */
  static async connect(edge, room, participant, { claims, token = joinToken(room, participant, claims), address, overlaps } = {}) {
    const headers = address === undefined ? {} : { "cf-connecting-ip": address };
    const client = await Client.open(`${edge.ws}/v1/rooms/${room}/socket`, ["rotunda.v1", `token.${token}`], { headers, overlaps });
    client.participant = participant;
    return client;
  }

  /** Opens the socket and joins. */
  static async join(edge, room, participant, options = {}) {
    const client = await Client.connect(edge, room, participant, options);
    client.joined = await client.join(options);
    return client;
  }

  /** Says `message` under a number of its own and waits for what answers it. */
  async request(message) {
    this.#requests += 1;
    const id = this.#requests;
    this.send({ id, ...message });
    return this.reply(id);
  }

  /** The reply to a frame, wherever it came among the others. */
  reply(id) {
    return this.find((frame) => frame.in_reply_to === id, `the reply to ${id}`);
  }

  async join({ attempt = crypto.randomUUID(), offer = OFFER, tracks = TRACKS } = {}) {
    const joined = await this.request({ type: "join", attempt, offer, tracks });
    if (joined.type === "joined") this.session = { session: joined.session, resume_token: joined.resume_token };
    return joined;
  }

  resume(session) {
    this.session = session;
    return this.request({ type: "resume", ...session });
  }

  /** The code of the error that a request is answered with. */
  async refusal(message) {
    const { type, code } = await this.request(message);
    return type === "error" ? code : `not an error but ${type}`;
  }
}

function readVector(name) {
  return readFileSync(new URL(`../../vectors/offers/${name}.sdp`, import.meta.url), "utf8");
}
