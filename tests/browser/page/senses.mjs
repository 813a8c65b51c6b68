// Runs in the page, before the app: recognises pictures on the screen and notes being played, and reads the
// connection's statistics.

/**
 * Defines `window.senses`. Must be self-contained: its text is sent to the browser.
 */
export function senses({ width, height, framesPerSecond }) {
  const connections = [];
  /** Tracks of paused senders. */
  const held = new Map();
  const asked = [];
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const ears = new Map();
  let audio = null;
  let watched = null;
  let tileObserver = null;
  let lostTiles = new Set();

  window.RTCPeerConnection = class extends window.RTCPeerConnection {
    constructor(...args) {
      super(...args);
      connections.push(this);
    }

    addTransceiver(...args) {
      const rids = (args[1]?.sendEncodings ?? []).flatMap(({ rid }) => rid ?? []);
      if (rids.length > 1) asked.push(rids);
      return super.addTransceiver(...args);
    }
  };

  const number = (bits) => bits.reduce((value, bit) => value * 2 + bit, 0);

  function readRow(row, count) {
    const [blockWidth, blockHeight] = [width / count, height / 3];
    return Array.from({ length: count }, (_, column) => {
      const [x, y] = [(column + 0.5) * blockWidth - 4, (row + 0.5) * blockHeight - 4];
      const { data } = context.getImageData(x, y, 8, 8);
      let sum = 0;
      for (let i = 0; i < data.length; i += 4) sum += data[i] + data[i + 1] + data[i + 2];
      return sum / (data.length / 4) / 3 > 127 ? 1 : 0;
    });
  }

  /** The person in a video's picture and its age; `null` if it is not one of ours. */
  function picture(video) {
    if (video.readyState < 2 || video.videoWidth === 0) return null;
    context.drawImage(video, 0, 0, width, height);
    const mark = readRow(0, 8);
    const identity = number(mark.slice(0, 4));
    if (number(mark.slice(4)) !== (~identity & 0xf)) return null;
    const frame = number(readRow(1, 16));
    const now = Math.floor((Date.now() * framesPerSecond) / 1000);
    const [red, green, blue] = context.getImageData(width / 2, height - 12, 1, 1).data;
    const age = (now - frame) & 0xffff;
    // A clock tick between the drawing of two blocks can make a frame seem to come from the future.
    return { identity, frame, ageMs: ((age > 0x8000 ? age - 0x10000 : age) * 1000) / framesPerSecond, colour: [red, green, blue] };
  }

  const videos = () => [...document.querySelectorAll("video")];

  const isPlaying = (element) => element.srcObject instanceof MediaStream && !element.paused && !element.muted && element.volume > 0;

  /** The loudest note of a track, and its level. */
  function note(track) {
    let ear = ears.get(track);
    if (!ear) {
      audio ??= new AudioContext();
      const analyser = audio.createAnalyser();
      Object.assign(analyser, { fftSize: 4096, smoothingTimeConstant: 0 });
      // The graph alone does not keep a source alive.
      const source = audio.createMediaStreamSource(new MediaStream([track]));
      source.connect(analyser);
      ear = { analyser, source, bins: new Float32Array(analyser.frequencyBinCount) };
      ears.set(track, ear);
    }
    ear.analyser.getFloatFrequencyData(ear.bins);
    let loudest = 1;
    ear.bins.forEach((level, bin) => {
      if (bin > 1 && level > ear.bins[loudest]) loudest = bin;
    });
    return { hz: (loudest * audio.sampleRate) / ear.analyser.fftSize, decibels: ear.bins[loudest] };
  }

  async function stats(connection) {
    const all = [];
    (await connection.getStats()).forEach((entry) => all.push(entry));
    return all;
  }

  const live = () => connections.filter(({ signalingState }) => signalingState !== "closed");

  /** Records the longest time in which a video showed no new frame. */
  function watch(video) {
    const seen = { video, last: performance.now(), gapMs: 0, frames: 0, done: false };
    const tick = () => {
      if (seen.done) return;
      const now = performance.now();
      [seen.gapMs, seen.last] = [Math.max(seen.gapMs, now - seen.last), now];
      seen.frames += 1;
      video.requestVideoFrameCallback(tick);
    };
    video.requestVideoFrameCallback(tick);
    return seen;
  }

  /** The frames of one video since `follow`, as `[milliseconds, width]`. */
  let followed = null;

  async function sounds() {
    const entries = (await Promise.all(live().map(stats))).flat().filter(({ type, kind }) => type === "inbound-rtp" && kind === "audio");
    const sum = (name) => entries.reduce((all, entry) => all + (entry[name] ?? 0), 0);
    return { all: sum("totalSamplesReceived"), concealed: sum("concealedSamples") - sum("silentConcealedSamples") };
  }

  window.senses = {
    /** Starts recording the shown frames of a video, whose element may change with the layout. */
    async follow(selector) {
      const before = await sounds();
      const began = performance.now();
      const follows = (followed = { began, selector, frames: [], before, video: null });
      const attach = () => {
        if (follows !== followed) return;
        const video = document.querySelector(selector);
        if (video && video !== follows.video) {
          follows.video = video;
          const shown = () => {
            if (follows !== followed || video !== follows.video) return;
            follows.frames.push([Math.round(performance.now() - began), video.videoWidth]);
            video.requestVideoFrameCallback(shown);
          };
          video.requestVideoFrameCallback(shown);
        }
        setTimeout(attach, 50);
      };
      attach();
    },

    /** The frames since `follow`, the last received width, and the heard and concealed samples of everybody. */
    async followed() {
      const { began, selector, frames, before } = followed;
      const lastsMs = Math.round(performance.now() - began);
      const track = document.querySelector(selector)?.srcObject?.getVideoTracks()[0];
      const received = (await Promise.all(live().map(stats))).flat().find(({ type, trackIdentifier }) => type === "inbound-rtp" && trackIdentifier === track?.id);
      const after = await sounds();
      return { lastsMs, frames, frameWidth: received?.frameWidth ?? 0, heard: after.all - before.all, concealed: after.concealed - before.concealed };
    },

    /** Every recognised picture in the grid, with the participant of its tile. */
    pictures: () =>
      videos().flatMap((video) => {
        const [shown, tile] = [picture(video), video.closest("[data-participant]")];
        return shown && tile ? [{ ...shown, participant: tile.dataset.participant }] : [];
      }),

    /** The sharpness of a shared screen: its size, and the contrast of its finest stripes. */
    screen() {
      const video = document.querySelector("[data-screen] video");
      if (!video || video.readyState < 2) return null;
      const [across, down] = [video.videoWidth, video.videoHeight];
      const page = new OffscreenCanvas(across, down).getContext("2d", { willReadFrequently: true });
      page.drawImage(video, 0, 0);
      const contrast = (x, y, dx, dy) => {
        const { data } = page.getImageData(x, y, 160, 160);
        let [apart, count] = [0, 0];
        for (let row = 4; row < 156; row += 4) {
          for (let column = 4; column < 156; column += 4) {
            const at = (shift) => data[((row + dy * shift) * 160 + column + dx * shift) * 4];
            // The middle of a stripe compared with that of the next one.
            apart += Math.abs((at(0) + at(1)) / 2 - (at(2) + at(3)) / 2);
            count += 1;
          }
        }
        return apart / count;
      };
      return { width: across, height: down, vertical: contrast(160, 100, 1, 0), horizontal: contrast(800, 100, 0, 1) };
    },

    tiles: () =>
      [...document.querySelectorAll("[data-participant]")].map((tile) => ({
        participant: tile.dataset.participant,
        label: tile.getAttribute("aria-label"),
        hasVideo: tile.querySelector("video") !== null,
        hasIcon: tile.querySelector("figcaption svg") !== null,
      })),

    /**
     * The notes being played, without quiet ones; in Chromium a peer connection's track is silent unless an element
     * plays it.
     */
    notes: () =>
      [...document.querySelectorAll("audio, video")]
        .filter(isPlaying)
        .flatMap((element) => element.srcObject.getAudioTracks())
        .filter((track) => track.readyState === "live" && track.enabled)
        .map(note)
        .filter(({ decibels }) => decibels > -60),

    /** States of every open connection. */
    connections: () =>
      live().map(({ connectionState, iceConnectionState, signalingState }) => ({ connectionState, iceConnectionState, signalingState })),

    /** The number of peer connections ever created. */
    connectionCount: () => connections.length,

    /** Sends no video without muting it, as while a node pauses a camera; or sends it again. */
    async pauseVideo(isPaused) {
      const senders = live().flatMap((connection) => connection.getSenders());
      for (const sender of senders) {
        // The SDK would turn encodings on again.
        if (isPaused && sender.track?.kind === "video") {
          held.set(sender, sender.track);
          await sender.replaceTrack(null);
        } else if (held.has(sender)) {
          await sender.replaceTrack(held.get(sender));
          held.delete(sender);
        }
      }
    },

    /** Simulcast RIDs: those of `addTransceiver`, of the client's offer, of the answer, and of the senders. */
    simulcast() {
      const [connection] = live();
      const said = (sdp) => [...sdp.matchAll(/^a=simulcast:(\S+) (\S+)/gm)].map(([, direction, rids]) => [direction, rids.split(";")]);
      const encodings = connection.getSenders().map((sender) => (sender.getParameters().encodings ?? []).flatMap(({ rid }) => rid ?? []));
      return {
        added: asked,
        offered: said(connection.localDescription.sdp),
        answered: said(connection.remoteDescription.sdp),
        sent: encodings.filter((rids) => rids.length > 1),
      };
    },

    async media() {
      const all = (await Promise.all(live().map(stats))).flat();
      const sum = (type, kind, field) =>
        all.filter((entry) => entry.type === type && entry.kind === kind).reduce((total, entry) => total + (entry[field] ?? 0), 0);
      return {
        framesSent: sum("outbound-rtp", "video", "framesSent"),
        keyFramesEncoded: sum("outbound-rtp", "video", "keyFramesEncoded"),
        framesReceived: sum("inbound-rtp", "video", "framesReceived"),
        framesDecoded: sum("inbound-rtp", "video", "framesDecoded"),
        audioPacketsSent: sum("outbound-rtp", "audio", "packetsSent"),
        audioPacketsReceived: sum("inbound-rtp", "audio", "packetsReceived"),
        packetsLost: sum("inbound-rtp", "video", "packetsLost") + sum("inbound-rtp", "audio", "packetsLost"),
        freezes: sum("inbound-rtp", "video", "freezeCount"),
      };
    },

    /** The entries of `getStats` with these types. */
    async entries(...types) {
      return (await Promise.all(live().map(stats))).flat().filter(({ type }) => types.includes(type));
    },

    /** The newest connection's user name for TURN servers. */
    turnUsername() {
      const servers = live().at(-1)?.getConfiguration().iceServers ?? [];
      return servers.find(({ username }) => username)?.username ?? null;
    },

    /** Starts watching every remote picture for gaps. */
    watch(own) {
      for (const seen of watched ?? []) seen.done = true;
      watched = videos().filter((video) => (picture(video)?.identity ?? own) !== own).map(watch);
      return watched.length;
    },

    /** Starts watching for tiles of these people that disappear or are duplicated. */
    watchTiles(ids) {
      lostTiles = new Set();
      const count = (id) => document.querySelectorAll(`[data-participant="${id}"]`).length;
      tileObserver?.disconnect();
      tileObserver = new MutationObserver(() => ids.filter((id) => count(id) !== 1).forEach((id) => lostTiles.add(id)));
      tileObserver.observe(document.body, { childList: true, subtree: true });
    },

    /** People whose tile disappeared since `watchTiles`. */
    lostTiles: () => [...lostTiles],

    /** The longest gaps since `watch`; a gap that still lasts counts. */
    gaps() {
      const now = performance.now();
      return (watched ?? []).map((seen) => ({
        gapMs: Math.round(Math.max(seen.gapMs, now - seen.last)),
        frames: seen.frames,
        onScreen: seen.video.isConnected,
      }));
    },
  };
}
