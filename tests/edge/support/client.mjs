// A client of the signaling protocol, without a browser: sends the SDK's messages.
import { readFileSync } from "node:fs";
import { EventConnection } from "./events.mjs";
import { Socket } from "./socket.mjs";
import { joinToken } from "./token.mjs";

/** A browser's offer: publishes mid 0 (audio) and 1 (video), receives in the sixteen sections after them. */
export const OFFER = readVector("chromium-join");
/** The same offer with other ICE credentials. */
export const OFFER_ICE_RESTART = readVector("chromium-ice-restart");

export const TRACKS = [
  { mid: "0", source: "microphone" },
  { mid: "1", source: "camera" },
];

export class Client extends Socket {
  #requests = 0;

  /**
   * Opens the socket of `participant`; `token` replaces the whole token, `claims` parts of it; a resume `secret` replaces both; `address` is
   * the client's claimed address; `over: "events"` uses no WebSocket; for `overlaps` see `Socket.open`.
   */
  static async connect(edge, room, participant, options = {}) {
    const { claims, token = joinToken(room, participant, claims), secret, address, over, overlaps } = options;
    const headers = address === undefined ? {} : { "cf-connecting-ip": address };
    const client =
      over === "events"
        ? new Client(await EventConnection.open(`${edge.http}/v1/rooms/${room}/events`, secret ? `Resume ${secret}` : `Bearer ${token}`, headers))
        : await Client.open(`${edge.ws}/v1/rooms/${room}/socket`, ["rotunda.v1", secret ? `resume.${secret}` : `token.${token}`], { headers, overlaps });
    client.participant = participant;
    return client;
  }

  static async join(edge, room, participant, options = {}) {
    const client = await Client.connect(edge, room, participant, options);
    client.joined = await client.join(options);
    return client;
  }

  /** Sends `message` with a unique number and waits for the answer. */
  async request(message) {
    this.#requests += 1;
    const id = this.#requests;
    this.send({ id, ...message });
    return this.reply(id);
  }

  /** The reply to a frame, at any place among the others. */
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

  /** The error code of the answer to a request. */
  async refusal(message) {
    const { type, code } = await this.request(message);
    return type === "error" ? code : `not an error but ${type}`;
  }
}

function readVector(name) {
  return readFileSync(new URL(`../../vectors/offers/${name}.sdp`, import.meta.url), "utf8");
}
