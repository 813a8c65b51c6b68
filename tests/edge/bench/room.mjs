// The same room in plain JavaScript, for comparison: tokens, joins, the roster, views and reactions, with storage and
// hibernation. It has no media nodes, slots, moderation, chat or limits.
import { DurableObject } from "cloudflare:workers";

const GATHERED_MS = 100;
const GATHERED_FROM = 32;
const FRAMES_BURST = 60;
const FRAMES_PER_MS = 20 / 1_000;
const FINGERPRINT = Array(32).fill("AB").join(":");

export default {
  async fetch(request, env) {
    const [, , room] = new URL(request.url).pathname.match(/^\/v1\/(rooms)\/([\w-]+)\/socket$/) ?? [];
    if (room === undefined) return new Response("ok");
    const protocols = request.headers.get("sec-websocket-protocol") ?? "";
    const claims = await verified(/token\.([\w.-]+)/.exec(protocols)?.[1] ?? "", env.TOKEN_KEY);
    if (claims?.room !== room) return new Response("forbidden", { status: 403 });
    const headers = { upgrade: "websocket", "x-claims": encodeURIComponent(JSON.stringify(claims)) };
    return env.ROOM.get(env.ROOM.idFromName(`${room}:1`)).fetch("https://room/join", { headers });
  },
};

let key;

/** The claims of a token with HS256 (RFC 7519). */
async function verified(token, secret) {
  const [head, body, tag] = token.split(".");
  if (tag === undefined) return null;
  const text = new TextEncoder();
  key ??= await crypto.subtle.importKey("raw", text.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  if (!(await crypto.subtle.verify("HMAC", key, bytes(tag), text.encode(`${head}.${body}`)))) return null;
  const claims = JSON.parse(new TextDecoder().decode(bytes(body)));
  return claims.exp * 1_000 > Date.now() ? claims : null;
}

function bytes(base64url) {
  return Uint8Array.from(atob(base64url.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
}

export class RoomObject extends DurableObject {
  /** By id: stored state. */
  members = new Map();
  /** By id. */
  sockets = new Map();
  /** By id: frames left, and when they were counted. */
  allowances = new Map();
  gathered = new Set();
  order = 0;

  constructor(state, env) {
    super(state, env);
    state.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    this.sql = state.storage.sql;
    this.sql.exec("CREATE TABLE IF NOT EXISTS core (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID");
    for (const { value } of this.sql.exec("SELECT value FROM core WHERE key LIKE 'member/%'")) {
      const member = JSON.parse(value);
      this.members.set(member.id, member);
      this.order = Math.max(this.order, member.order);
    }
    for (const socket of state.getWebSockets()) this.sockets.set(socket.deserializeAttachment().sub, socket);
  }

  fetch(request) {
    const claims = JSON.parse(decodeURIComponent(request.headers.get("x-claims")));
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    server.serializeAttachment(claims);
    return new Response(null, { status: 101, webSocket: client, headers: { "sec-websocket-protocol": "rotunda.v1" } });
  }

  webSocketMessage(socket, text) {
    const [frame, claims] = [JSON.parse(text), socket.deserializeAttachment()];
    const answer = this.spend(claims.sub) ? this.answer(socket, claims, frame) : { type: "error", code: "rate_limited" };
    const { type, ...fields } = answer;
    socket.send(JSON.stringify({ type, in_reply_to: frame.id ?? null, ...fields }));
  }

  webSocketClose(socket) {
    const { sub } = socket.deserializeAttachment();
    if (this.sockets.get(sub) !== socket) return;
    this.sockets.delete(sub);
    this.members.delete(sub);
    this.sql.exec("DELETE FROM core WHERE key IN (?, ?)", `member/${sub}`, `session/${sub}`);
    this.tell({ type: "participant_left", participant: sub, reason: "left" });
  }

  answer(socket, claims, frame) {
    const member = this.members.get(claims.sub);
    switch (frame.type) {
      case "join":
        return this.join(socket, claims, frame);
      case "view":
        if (JSON.stringify(member.view) !== JSON.stringify(frame.participants)) {
          member.view = frame.participants;
          this.store("member", member);
        }
        return { type: "done" };
      case "react":
        this.tell({ type: "reacted", participant: claims.sub, reaction: frame.reaction }, claims.sub);
        return { type: "done" };
      default:
        return { type: "error", code: "unknown_message" };
    }
  }

  join(socket, { sub, name, grants = {} }, { attempt, offer, tracks }) {
    this.order += 1;
    const [joinedAt, session] = [Date.now(), crypto.randomUUID()];
    const published = tracks.map(({ mid, source, muted = false }) => ({ id: `t${this.order}-${mid}`, mid, source, muted }));
    const sections = read(offer);
    const slots = sections.filter(({ direction }) => direction === "recvonly").map(({ mid }) => ({ mid, track: null }));
    const resume = crypto.randomUUID();
    const member = { id: sub, name, grants, joined_at: joinedAt, order: this.order, attempt, session, resume, tracks: published, slots, view: [] };
    this.members.set(sub, member);
    this.sockets.set(sub, socket);
    const transport = { id: session, ufrag: resume.slice(0, 8), pwd: crypto.randomUUID(), sections };
    this.ctx.storage.transactionSync(() => {
      this.store("member", member);
      this.store("session", transport);
    });
    this.announce(member);
    const roster = [...this.members.values()].map(info);
    return { type: "joined", participant: sub, session, resume_token: resume, answer: answer(transport), roster, slots, ice_servers: [] };
  }

  store(kind, row) {
    this.sql.exec("INSERT OR REPLACE INTO core (key, value) VALUES (?, ?)", `${kind}/${row.id}`, JSON.stringify(row));
  }

  announce(member) {
    if (this.members.size < GATHERED_FROM) return this.tell({ type: "participant_joined", participant: info(member) }, member.id);
    if (this.gathered.size === 0) setTimeout(() => this.announceGathered(), GATHERED_MS);
    this.gathered.add(member);
  }

  announceGathered() {
    this.tell({ type: "roster_changed", changed: [...this.gathered].map(info), left: [] });
    this.gathered.clear();
  }

  tell(message, but) {
    const text = JSON.stringify(message);
    for (const [id, socket] of this.sockets) if (id !== but) socket.send(text);
  }

  spend(id) {
    const now = Date.now();
    const { left, at } = this.allowances.get(id) ?? { left: FRAMES_BURST, at: now };
    const refilled = Math.min(FRAMES_BURST, left + (now - at) * FRAMES_PER_MS);
    this.allowances.set(id, { left: Math.max(0, refilled - 1), at: now });
    return refilled >= 1;
  }
}

function info({ id, name, grants, joined_at, tracks }) {
  return { id, name, metadata: "", grants, joined_at, connection: "connected", hand_raised_at: null, tracks };
}

/** The sections of an offer, with what an answer repeats (RFC 8866). */
function read(offer) {
  const [, ...sections] = offer.split(/^m=/m);
  return sections.map((text) => {
    const [first, ...lines] = text.split("\r\n");
    const [kind, , protocol, ...formats] = first.split(" ");
    const attributes = lines.filter((line) => line.startsWith("a=")).map((line) => line.slice(2));
    const values = (name) => attributes.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1));
    const direction = attributes.find((line) => ["sendrecv", "sendonly", "recvonly", "inactive"].includes(line));
    const wanted = values("rtpmap").filter((line) => /(opus|VP8|H264|rtx)\//.test(line));
    const codecs = wanted.map((line) => line.split(" ")[0]).filter((format) => formats.includes(format)).slice(0, 8);
    const of = (name) => values(name).filter((line) => codecs.includes(line.split(" ")[0]));
    const [rtpmap, fmtp, feedback] = [of("rtpmap"), of("fmtp"), of("rtcp-fb")];
    const [ssrc] = crypto.getRandomValues(new Uint32Array(1));
    return { kind, protocol, codecs, direction, rtpmap, fmtp, feedback, mid: values("mid")[0], extensions: values("extmap"), ssrc };
  });
}

function answer({ id, ufrag, pwd, sections }) {
  const lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", `a=group:BUNDLE ${sections.map(({ mid }) => mid).join(" ")}`, "a=ice-lite"];
  for (const { kind, protocol, codecs, direction, rtpmap, fmtp, feedback, mid, extensions, ssrc } of sections) {
    lines.push(`m=${kind} 7000 ${protocol} ${codecs.join(" ")}`, "c=IN IP4 127.0.0.1", `a=mid:${mid}`);
    lines.push(`a=ice-ufrag:${ufrag}`, `a=ice-pwd:${pwd}`, `a=fingerprint:sha-256 ${FINGERPRINT}`, "a=setup:passive", "a=rtcp-mux");
    lines.push("a=candidate:1 1 udp 2130706431 127.0.0.1 7000 typ host", direction === "recvonly" ? "a=sendonly" : "a=recvonly");
    for (const line of rtpmap) lines.push(`a=rtpmap:${line}`);
    for (const line of fmtp) lines.push(`a=fmtp:${line}`);
    for (const line of feedback) lines.push(`a=rtcp-fb:${line}`);
    for (const line of extensions) lines.push(`a=extmap:${line}`);
    if (direction === "recvonly") lines.push(`a=ssrc:${ssrc} cname:${id}`, `a=msid:${id} ${mid}`);
  }
  return `${lines.join("\r\n")}\r\n`;
}
