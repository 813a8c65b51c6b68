// Runs in the page, before the app: a camera and a microphone whose pictures and sounds can be told from anybody else's.

/**
 * Pictures carry who made them and when, as blocks large enough to survive a video codec: eight for the identity (four bits and
 * their complement), sixteen for the time in frame intervals. Below them a square moves over the identity's colour. The microphone hums
 * one note.
 *
 * Must be self-contained: its text is sent to the browser.
 */
export function fakeDevices({ identity, toneHz, width, height, framesPerSecond }) {
  // A page that is not yet any.
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

  navigator.mediaDevices.getUserMedia = async (constraints) =>
    new MediaStream([...(constraints.audio ? [microphone()] : []), ...(constraints.video ? [camera()] : [])]);
}
