// Runs in the page, before the app: a fake camera and microphone with recognisable pictures and sounds.

/**
 * Each picture encodes its owner and time as blocks large enough to survive a video codec: eight for the identity (four
 * bits and their complement), sixteen for the time in frame intervals. Below them a square moves over the identity's
 * colour. The microphone hums one note.
 *
 * `detail` is the number of random rectangles below the blocks in each frame, which determine the picture's bitrate.
 * `opensMs` is the time that a device takes to open, `oneCamera` prevents a second open camera, as on phones, and
 * `failing` names a DOMException for a kind of device, and `refusal` is its message. `screenSound` is the state of a
 * screen's sound, if there is one.
 *
 * Must be self-contained: its text is sent to the browser.
 */
export function fakeDevices({ identity, toneHz, width, height, framesPerSecond, detail = 0, opensMs = 0, oneCamera = false, failing = {}, refusal = "as told", screenSound = null }) {
  // The page is still empty.
  if (!navigator.mediaDevices) return;

  const COLOURS = ["#c0392b", "#27ae60", "#2980b9", "#f39c12", "#8e44ad", "#16a085", "#7f8c8d", "#d35400"];
  let audio = null;

  const frameNumber = () => Math.floor((Date.now() * framesPerSecond) / 1000) & 0xffff;

  const bits = (value, count) => Array.from({ length: count }, (_, bit) => (value >> (count - 1 - bit)) & 1);

  function drawRow(context, row, values) {
    const [blockWidth, blockHeight] = [width / values.length, height / 3];
    values.forEach((bit, column) => {
      context.fillStyle = bit ? "#fff" : "#000";
      context.fillRect(column * blockWidth, row * blockHeight, blockWidth, blockHeight);
    });
  }

  function draw(context) {
    const number = frameNumber();
    drawRow(context, 0, bits((identity << 4) | (~identity & 0xf), 8));
    drawRow(context, 1, bits(number, 16));
    context.fillStyle = COLOURS[identity % COLOURS.length];
    context.fillRect(0, (height * 2) / 3, width, height / 3);
    for (let place = 0; place < detail; place += 1) {
      context.fillStyle = COLOURS[Math.floor(Math.random() * COLOURS.length)];
      context.fillRect(Math.random() * width, height * (2 / 3 + Math.random() / 4), 24, 24);
    }
    context.fillStyle = "#fff";
    context.fillRect((number * 8) % (width - 20), height - 40, 20, 20);
  }

  function camera() {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    draw(context);
    const [track] = canvas.captureStream(framesPerSecond).getVideoTracks();
    const timer = setInterval(() => (track.readyState === "ended" ? clearInterval(timer) : draw(context)), 1000 / framesPerSecond);
    return track;
  }

  function microphone() {
    audio ??= new AudioContext();
    const [hum, loudness, out] = [audio.createOscillator(), audio.createGain(), audio.createMediaStreamDestination()];
    hum.frequency.value = toneHz;
    loudness.gain.value = 0.3;
    hum.connect(loudness).connect(out);
    hum.start();
    return out.stream.getAudioTracks()[0];
  }

  const made = { audio: [], video: [] };
  const keep = (kind, track) => {
    made[kind].push(track);
    return track;
  };

  /** A page of fine print: stripes two pixels wide, and text 11 pixels high. */
  function screen() {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: 1280, height: 720 });
    const context = canvas.getContext("2d");
    let drawn = 0;
    const drawPage = () => {
      context.fillStyle = "#fff";
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.fillStyle = "#000";
      context.save();
      // The stripes are never where they are on the still page.
      if (isScrolled) context.translate(1 - 4 * (drawn % 60), 1 - 4 * ((drawn * 7) % 60));
      for (let x = 0; x < 640; x += 4) context.fillRect(x, 0, 2, 360);
      for (let y = 0; y < 360; y += 4) context.fillRect(640, y, 640, 2);
      context.font = "11px monospace";
      for (let line = 0; line < 24; line += 1) context.fillText("The quick brown fox jumps over the lazy dog. 0123456789 ".repeat(3), 4, 374 + line * 14);
      context.restore();
      // Something that moves like a cursor, because no frame would be captured otherwise.
      context.fillRect(1270, 700 + (drawn++ % 2) * 8, 8, 8);
    };
    drawPage();
    const [track] = canvas.captureStream(10).getVideoTracks();
    const timer = setInterval(() => (track.readyState === "ended" ? clearInterval(timer) : drawPage()), 100);
    return track;
  }

  let shared = null;
  let isScrolled = false;
  /** Scrolls the shared page, or keeps it still. */
  window.scrollScreen = (scrolls) => {
    isScrolled = scrolls;
  };
  let sharedSound = null;
  navigator.mediaDevices.getDisplayMedia = async () => {
    sharedSound = screenSound === null ? null : microphone();
    if (screenSound === "ended") sharedSound.stop();
    return new MediaStream([(shared = screen()), ...(sharedSound === null ? [] : [sharedSound])]);
  };
  /** Ends the sound of the shared screen, as when the tab falls silent for good. */
  window.endScreenSound = () => {
    sharedSound.stop();
    sharedSound.dispatchEvent(new Event("ended"));
  };

  /** The user's devices; the first of a kind is the default. */
  const owned = [
    { kind: "audioinput", deviceId: "desk-microphone", label: "Desk microphone" },
    { kind: "audioinput", deviceId: "headset", label: "Headset" },
    { kind: "videoinput", deviceId: "front", label: "Front camera" },
    { kind: "videoinput", deviceId: "back", label: "Back camera" },
    { kind: "audiooutput", deviceId: "loudspeaker", label: "Loudspeaker" },
  ];
  navigator.mediaDevices.enumerateDevices = async () => owned.map((device) => ({ ...device, groupId: "" }));

  /** Unplugs a device, with the browser's reaction. */
  window.unplug = (kind) => {
    const track = made[kind].findLast(({ readyState }) => readyState === "live");
    owned.splice(owned.findIndex(({ deviceId }) => deviceId === track.getSettings().deviceId), 1);
    track.stop();
    track.dispatchEvent(new Event("ended"));
    navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
    return made[kind].length;
  };
  /** Interrupts a device as the system does for a phone call. */
  window.interrupt = (kind, muted) => {
    const track = made[kind].findLast(({ readyState }) => readyState === "live");
    Object.defineProperty(track, "muted", { value: muted, configurable: true });
    track.dispatchEvent(new Event(muted ? "mute" : "unmute"));
  };
  /** Presses the browser's own button to stop sharing. */
  window.stopSharing = () => {
    shared.stop();
    shared.dispatchEvent(new Event("ended"));
  };
  window.devicesOpened = (kind) => made[kind].length;
  const isLive = ({ readyState }) => readyState === "live";
  window.devicesInUse = () => [...made.audio, ...made.video].filter(isLive).length;
  /** The devices that capture anything. */
  window.devicesHot = () => [...made.audio, ...made.video].filter((track) => isLive(track) && track.enabled).map((track) => track.getSettings().deviceId);

  /** Finds the device for a constraint, or throws as a browser would. */
  function find(kind, wanted) {
    if (failing[kind]) throw new DOMException(refusal, failing[kind]);
    if (kind === "video" && oneCamera && made.video.some(isLive)) throw new DOMException("in use", "NotReadableError");
    const exact = wanted.deviceId?.exact;
    const found = owned.find((device) => device.kind === `${kind}input` && (exact === undefined || device.deviceId === exact));
    if (!found) throw new DOMException("no such device", exact === undefined ? "NotFoundError" : "OverconstrainedError");
    return found;
  }

  function open(kind, { deviceId }) {
    const track = kind === "audio" ? microphone() : camera();
    const settings = track.getSettings.bind(track);
    track.getSettings = () => ({ ...settings(), deviceId });
    return keep(kind, track);
  }

  navigator.mediaDevices.getUserMedia = async (constraints) => {
    await new Promise((resolve) => setTimeout(resolve, opensMs));
    const kinds = ["audio", "video"].filter((kind) => constraints[kind]);
    const found = kinds.map((kind) => find(kind, constraints[kind]));
    return new MediaStream(kinds.map((kind, index) => open(kind, found[index])));
  };
}
