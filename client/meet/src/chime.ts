/** Short sounds, made of notes: for joining, leaving, and the test of a speaker. */

/** Hertz, one after the other. */
const NOTES = { joined: [523, 784], left: [784, 523], test: [523, 659, 784, 1047] } as const;
const NOTE_S = 0.16;
/** A sound in the background of a conversation. */
const LOUDNESS = { joined: 0.06, left: 0.06, test: 0.25 } as const;
const FADE_S = 0.02;

export type Chime = keyof typeof NOTES;

/** Plays a sound on a speaker, `null` for the default one; resolves when it is over. */
export async function play(chime: Chime, speakerId: string | null): Promise<void> {
  const context = new AudioContext();
  const audio = new Audio();
  try {
    const out = context.createMediaStreamDestination();
    audio.srcObject = out.stream;
    if (speakerId !== null && "setSinkId" in audio) {
      // An unplugged speaker: the default one then.
      await audio.setSinkId(speakerId).catch(() => undefined);
    }
    await audio.play();
    const ends = NOTES[chime].map((hz, index) => playNote(context, out, { hz, atS: context.currentTime + 0.05 + index * NOTE_S, loudness: LOUDNESS[chime] }));
    await Promise.all(ends);
  } finally {
    audio.srcObject = null;
    await context.close();
  }
}

interface Note {
  readonly hz: number;
  readonly atS: number;
  readonly loudness: number;
}

function playNote(context: AudioContext, out: AudioNode, { hz, atS, loudness }: Note): Promise<unknown> {
  const [tone, volume] = [context.createOscillator(), context.createGain()];
  tone.type = "triangle";
  tone.frequency.value = hz;
  const endS = atS + NOTE_S * 2;
  volume.gain.setValueAtTime(0, atS);
  volume.gain.linearRampToValueAtTime(loudness, atS + FADE_S);
  volume.gain.exponentialRampToValueAtTime(0.001, endS);
  tone.connect(volume).connect(out);
  tone.start(atS);
  tone.stop(endS);
  return new Promise((resolve) => {
    tone.onended = resolve;
  });
}
