// A scripted call of three, step by step, and the messages that each side received.
import { Client, OFFER_ICE_RESTART } from "./client.mjs";
import { MediaNode } from "./node.mjs";

/** The steps in order; each ends when nobody receives messages any more. */
export const STEPS = {
  "the node registers": async (call) => {
    call.node = await MediaNode.start(call.edge, { beats: false });
    call.watch("fleet", call.node.socket);
  },
  "ada dials": async (call) => {
    call.ada = await Client.connect(call.edge, call.room, "ada", { over: call.over, claims: { grants: { moderate: true } } });
    call.watch("ada", call.ada);
  },
  "ada joins, and the node is given the room": async (call) => {
    await call.ada.join({ attempt: "ada-1" });
    call.link = await call.node.serving(call.room);
    call.watch("node", call.link);
  },
  "ada's media is up": (call) => isUp(call, "ada"),
  "bob dials": async (call) => {
    call.bob = await Client.connect(call.edge, call.room, "bob", { over: call.over });
    call.watch("bob", call.bob);
  },
  "bob joins": (call) => call.bob.join({ attempt: "bob-1" }),
  "bob joins again with the same attempt": (call) => call.bob.join({ attempt: "bob-1" }),
  "bob's media is up": (call) => isUp(call, "bob"),
  "eve joins without publishing": async (call) => {
    call.eve = await Client.connect(call.edge, call.room, "eve", { over: call.over });
    call.watch("eve", call.eve);
    await call.eve.join({ attempt: "eve-1", tracks: [] });
  },
  "bob mutes his microphone": (call) => call.bob.request({ type: "set_muted", mid: "0", muted: true }),
  "eve says nonsense": (call) => {
    call.eve.send("nonsense");
    return call.eve.next("error");
  },
  "eve looks at ada": (call) => call.eve.request({ type: "view", participants: ["ada"] }),
  "ada restarts ICE": (call) =>
    call.ada.request({ type: "negotiate", offer: OFFER_ICE_RESTART, tracks: [], reason: "ice_restart" }),
  "bob writes in the chat": (call) => call.bob.request({ type: "chat", message: "bob-1", text: "hello" }),
  "bob writes it again": (call) => call.bob.request({ type: "chat", message: "bob-1", text: "hello" }),
  "eve raises a hand": (call) => call.eve.request({ type: "raise_hand", raised: true }),
  "eve claps": (call) => call.eve.request({ type: "react", reaction: "clap" }),
  "bob's network is gone": async (call) => {
    call.bob.terminate();
    await call.ada.next(({ type, participant }) => type === "participant_updated" && participant.id === "bob" && participant.connection === "reconnecting");
  },
  "ada writes while bob is away": (call) => call.ada.request({ type: "chat", message: "ada-1", text: "are you there?" }),
  "bob dials again": async (call) => {
    const { session } = call.bob;
    call.bob = await Client.connect(call.edge, call.room, "bob", { over: call.over });
    call.bob.session = session;
    call.watch("bob again", call.bob);
  },
  "bob resumes": (call) => call.bob.resume(call.bob.session),
  "ada reloads": async (call) => {
    call.ada = await Client.connect(call.edge, call.room, "ada", { over: call.over, claims: { grants: { moderate: true } } });
    call.watch("ada again", call.ada);
    await call.ada.join({ attempt: "ada-2" });
  },
  "ada kicks eve": (call) => call.ada.request({ type: "kick", participant: "eve", reason: "spam" }),
  "bob leaves": (call) => call.bob.request({ type: "leave" }),
};

/** Reports it and waits until ada is told: frames of the node and of clients reach the room in any order. */
async function isUp(call, id) {
  call.link.connected(call[id].session.session);
  await call.ada.next(({ type, participant }) => type === "participant_updated" && participant.id === id && participant.connection === "connected");
}

/**
 * Plays the script in a separate room and returns the messages to each side; `between` runs between the steps; for `over` see
 * `Client.connect`.
 */
export async function play(edge, room, { over, between = async () => {} } = {}) {
  const heard = [];
  const call = {
    edge,
    room,
    over,
    sockets: [],
    watch(who, socket) {
      call.sockets.push(socket);
      for (const frame of socket.frames) heard.push([who, frame]);
      socket.socket.on("message", () => heard.push([who, socket.frames.at(-1)]));
      socket.socket.on("close", () => heard.push([who, { closed: socket.closed.code }]));
    },
  };
  const transcript = [];
  for (const [name, step] of Object.entries(STEPS)) {
    await step(call);
    await Promise.all(call.sockets.map((socket) => socket.settle()));
    // The order is guaranteed on each socket, not between sockets.
    const told = heard.splice(0).sort(([a], [b]) => a.localeCompare(b));
    transcript.push({ step: name, told });
    await between(name, call);
  }
  // No participant is left who would need another node.
  await call.ada.request({ type: "leave" });
  call.node.die();
  return anonymous(transcript, room);
}

/** Replaces random values and times by the order of their first appearance. */
function anonymous(transcript, room) {
  const names = new Map();
  const name = (kind, value) => {
    const key = `${kind} ${value}`;
    if (!names.has(key)) names.set(key, `<${kind} ${[...names.keys()].filter((known) => known.startsWith(`${kind} `)).length + 1}>`);
    return names.get(key);
  };
  const clean = (value, key) => {
    if (Array.isArray(value)) {
      const items = value.map((item) => clean(item, key));
      // Sets, ordered by random names.
      return ["forwards", "sessions"].includes(key) ? items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : items;
    }
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([inner, item]) => [inner, clean(item, inner)]));
    }
    if (value === null || value === undefined) return value;
    if (RANDOM.has(key)) return name(key, value);
    if (["joined_at", "sent_at", "hand_raised_at", "started_at"].includes(key)) return "<time>";
    if (key === "answer") return answerLines(value);
    return value === room ? "<room>" : value;
  };
  return transcript.map(({ step, told }) => ({ step, told: told.map(([who, frame]) => [who, clean(frame)]) }));
}

/** Random in every room, or from its clock. */
const RANDOM = new Set(["session", "resume_token", "node_ufrag", "node_pwd", "ticket", "ssrc", "rtx_ssrc", "epoch", "revision", "trace"]);

/** An answer without its random parts. */
function answerLines(answer) {
  return answer
    .split("\r\n")
    .map((line) => line.replace(/^(o=\S+ |a=ice-ufrag:|a=ice-pwd:|a=ssrc:|a=ssrc-group:FID ).*/, "$1<random>").replace(/(a=msid:).*/, "$1<random>"));
}
