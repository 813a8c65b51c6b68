// Two participants on werift in a call. werift carries packets only; ffmpeg encodes what is sent, and decodes what comes.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { MediaStreamTrack, RTCPeerConnection, useOPUS, useVP8 } from "werift";
import { until } from "../../browser/until.mjs";

const SLOTS = 2;
const [WIDTH, HEIGHT] = [320, 180];
const SAMPLE_RATE = 48_000;
/** 20 ms of 16-bit samples. */
const SOUND_BYTES = (SAMPLE_RATE / 50) * 2;
const VIDEO = { kind: "video", number: 96, map: "VP8/90000" };
const AUDIO = { kind: "audio", number: 111, map: "opus/48000/2" };
// Enough to decide: two seconds of pictures, one of sound.
const FRAMES_MIN = 60;
const SOUNDS_MIN = 50;
const TIMEOUT_MS = 30_000;
const LUMA_TOLERANCE = 12;
const NOTE_TOLERANCE_HZ = 15;

export async function call(url, room, tokens) {
  const people = [new Participant("ada", 80, 440), new Participant("grace", 160, 660)];
  const [ada, grace] = people;
  try {
    for (const [place, person] of people.entries()) {
      await person.join(`${url}/v1/rooms/${room}/socket`, tokens[place]);
    }
    for (const person of people) {
      await until(`${person.name} decodes pictures and sounds`, () => person.hasEnough() || Promise.reject(new Error(person.summary())), TIMEOUT_MS);
    }
    ada.check(grace);
    grace.check(ada);
    return people.map((person) => person.summary());
  } finally {
    await Promise.all(people.map((person) => person.leave()));
  }
}

class Participant {
  #programs = [];
  #sockets = [];
  #lumas = [];
  #notes = [];

  constructor(name, luma, hz) {
    Object.assign(this, { name, luma, hz });
    const codecs = { video: [useVP8()], audio: [useOPUS()] };
    this.connection = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers: [], codecs });
  }

  async join(url, token) {
    const grey = this.luma.toString(16).padStart(2, "0").repeat(3);
    const camera = await this.#sent(VIDEO, ["-f", "lavfi", "-i", `color=c=0x${grey}:s=${WIDTH}x${HEIGHT}:r=30`], ["-c:v", "libvpx", "-deadline", "realtime", "-g", "30", "-b:v", "300k"]);
    const microphone = await this.#sent(AUDIO, ["-f", "lavfi", "-i", `sine=f=${this.hz}:r=${SAMPLE_RATE}`], ["-c:a", "libopus", "-ac", "2"]);
    const tracks = [
      [this.connection.addTransceiver(microphone, { direction: "sendonly" }), "microphone"],
      [this.connection.addTransceiver(camera, { direction: "sendonly" }), "camera"],
    ];
    for (let slot = 0; slot < SLOTS; slot += 1) {
      for (const media of [AUDIO, VIDEO]) {
        const transceiver = this.connection.addTransceiver(media.kind, { direction: "recvonly" });
        transceiver.onTrack.subscribe((track) => this.#received(media, track));
      }
    }
    await this.connection.setLocalDescription(await this.connection.createOffer());
    const intents = tracks.map(([{ mid }, source]) => ({ mid, source }));
    const answer = await this.#ask(url, token, { id: 1, type: "join", attempt: crypto.randomUUID().replaceAll("-", ""), offer: this.connection.localDescription.sdp, tracks: intents });
    assert.equal(answer.type, "joined", JSON.stringify(answer));
    await this.connection.setRemoteDescription({ type: "answer", sdp: answer.answer });
  }

  hasEnough() {
    return this.#lumas.length >= FRAMES_MIN && this.#notes.length >= SOUNDS_MIN;
  }

  check(other) {
    const [luma, hz] = [median(this.#lumas, FRAMES_MIN), median(this.#notes, SOUNDS_MIN)];
    assert.ok(Math.abs(luma - other.luma) <= LUMA_TOLERANCE && Math.abs(hz - other.hz) <= NOTE_TOLERANCE_HZ, `${this.name} received ${luma} and ${hz} Hz`);
  }

  summary() {
    return `${this.name}: ${this.#lumas.length} frames of brightness ${Math.round(median(this.#lumas, FRAMES_MIN))}, ${this.#notes.length} sounds of ${Math.round(median(this.#notes, SOUNDS_MIN))} Hz`;
  }

  async leave() {
    this.socket?.send(JSON.stringify({ id: 2, type: "leave" }));
    await this.connection.close();
    this.#programs.forEach((program) => program.kill("SIGKILL"));
    this.#sockets.forEach((socket) => socket.close());
    this.socket?.close();
  }

  async #ask(url, token, request) {
    this.socket = new WebSocket(url, ["rotunda.v1", `token.${token}`]);
    await once(this.socket, "open");
    this.socket.send(JSON.stringify(request));
    const [{ data }] = await once(this.socket, "message");
    return JSON.parse(data);
  }

  /** A track with the packets of an encoder. */
  async #sent({ kind, number }, source, codec) {
    const track = new MediaStreamTrack({ kind });
    const socket = createSocket("udp4").bind(0, "127.0.0.1");
    this.#sockets.push(socket);
    await once(socket, "listening");
    socket.on("message", (packet) => track.writeRtp(packet));
    this.#ffmpeg(["-re", ...source, ...codec, "-payload_type", String(number), "-f", "rtp", `rtp://127.0.0.1:${socket.address().port}?pkt_size=1100`]).resume();
    return track;
  }

  /** Decodes the packets of a track. */
  async #received({ kind, number, map }, track) {
    const socket = createSocket("udp4").bind(0, "127.0.0.1");
    this.#sockets.push(socket);
    await once(socket, "listening");
    const port = await freePair();
    const sdp = `v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=${kind} ${port} RTP/AVP ${number}\na=rtpmap:${number} ${map}\n`;
    const form = kind === "video" ? ["-f", "rawvideo", "-pix_fmt", "gray"] : ["-f", "s16le", "-ac", "1", "-ar", String(SAMPLE_RATE)];
    const input = `data:application/sdp;base64,${Buffer.from(sdp).toString("base64")}`;
    const output = this.#ffmpeg(["-protocol_whitelist", "data,udp,rtp", "-f", "sdp", "-i", input, ...form, "-"]);
    const take = kind === "video" ? (frame) => this.#lumas.push(brightness(frame)) : (sound) => this.#hear(sound);
    inPieces(output, kind === "video" ? WIDTH * HEIGHT : SOUND_BYTES, take);
    track.onReceiveRtp.subscribe((packet) => {
      const again = packet.clone();
      again.header.payloadType = number;
      socket.send(again.serialize(), port, "127.0.0.1");
    });
  }

  #hear(sound) {
    const hz = frequency(new Int16Array(sound.buffer, sound.byteOffset, sound.length / 2));
    if (hz !== null) {
      this.#notes.push(hz);
    }
  }

  #ffmpeg(options) {
    const program = spawn("ffmpeg", ["-hide_banner", "-loglevel", "error", "-nostdin", ...options], { stdio: ["ignore", "pipe", "ignore"] });
    this.#programs.push(program);
    return program.stdout;
  }
}

/** An even port that was free a moment ago: RTP ports are even, and RTCP uses the next one. */
async function freePair() {
  for (;;) {
    const socket = createSocket("udp4").bind(0, "127.0.0.1");
    await once(socket, "listening");
    const { port } = socket.address();
    socket.close();
    if (port % 2 === 0) {
      return port;
    }
  }
}

function inPieces(stream, bytes, take) {
  let rest = Buffer.alloc(0);
  stream.on("data", (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (; rest.length >= bytes; rest = rest.subarray(bytes)) {
      take(Buffer.from(rest.subarray(0, bytes)));
    }
  });
}

function brightness(frame) {
  return frame.reduce((sum, luma) => sum + luma, 0) / frame.length;
}

/** Frequency of a sound of one note, by how often it crosses zero upwards; `null` if it is too quiet. */
function frequency(samples) {
  const crossings = [...samples.keys()].filter((place) => place > 0 && samples[place - 1] < 0 && samples[place] >= 0);
  if (Math.max(...samples) < 2_000 || crossings.length < 3) {
    return null;
  }
  return (SAMPLE_RATE * (crossings.length - 1)) / (crossings.at(-1) - crossings[0]);
}

function median(values, count) {
  return values.slice(-count).sort((a, b) => a - b)[Math.floor(Math.min(count, values.length) / 2)] ?? Number.NaN;
}
