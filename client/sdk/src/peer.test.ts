import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Peer } from "./peer";

class Sender {
  readonly track: MediaStreamTrack | null;
  #parameters: { encodings: RTCRtpEncodingParameters[] };

  constructor(track: MediaStreamTrack | null, encodings: RTCRtpEncodingParameters[]) {
    this.track = track;
    this.#parameters = { encodings };
  }

  getParameters(): RTCRtpSendParameters {
    return structuredClone(this.#parameters) as RTCRtpSendParameters;
  }

  setParameters(parameters: RTCRtpSendParameters): Promise<void> {
    this.#parameters = structuredClone({ encodings: parameters.encodings });
    return Promise.resolve();
  }

  get active(): string {
    const active = this.#parameters.encodings.filter((encoding) => encoding.active);
    return active.map(({ rid }) => rid).join();
  }
}

const senders: Sender[] = [];
let applied: string[] = [];

class Connection {
  readonly remoteDescription = null;

  createOffer(): Promise<RTCSessionDescriptionInit> {
    return Promise.resolve({ type: "offer", sdp: "offer" });
  }

  setLocalDescription({ sdp }: RTCSessionDescriptionInit): Promise<void> {
    applied.push(String(sdp));
    return Promise.resolve();
  }

  setRemoteDescription({ sdp }: RTCSessionDescriptionInit): Promise<void> {
    applied.push(String(sdp));
    return Promise.resolve();
  }

  getTransceivers(): object[] {
    return [];
  }

  addTransceiver(track: MediaStreamTrack | string, { sendEncodings = [] }: RTCRtpTransceiverInit): object {
    const sender = new Sender(typeof track === "string" ? null : track, sendEncodings);
    senders.push(sender);
    return { mid: String(senders.length - 1), sender, receiver: {}, direction: "sendonly", setCodecPreferences: () => undefined };
  }
}

beforeEach(() => {
  senders.length = 0;
  applied = [];
  vi.stubGlobal("RTCPeerConnection", Connection);
  vi.stubGlobal("RTCRtpReceiver", { getCapabilities: () => ({ codecs: [] }) });
});
afterEach(() => vi.unstubAllGlobals());

describe("the layers of a camera", () => {
  const track = { kind: "video", getSettings: () => ({ width: 1280, height: 720 }) } as unknown as MediaStreamTrack;
  const peer = () =>
    new Peer({ sources: [{ source: "camera", track }], iceServers: [], iceTransportPolicy: "all" });
  const settled = () => new Promise((resolve) => setTimeout(resolve));

  test("are those that the room needs, from the moment it says so", async () => {
    const camera = peer();
    expect(senders[0]?.active).toBe("q,h,f");
    for (const rids of [["q"], ["q", "h"], [], ["q", "h", "f"]]) {
      camera.setLayers({ mid: "0", rids });
      // Within the same turn: no timer delays a layer that is wanted.
      expect(senders[0]?.active).toBe(rids.join());
      await settled();
      expect(senders[0]?.active).toBe(rids.join());
    }
  });

  test("of another section, or of another session, are not turned off", async () => {
    const camera = peer();
    camera.setLayers({ mid: "7", rids: [] });
    await settled();
    expect(senders[0]?.active).toBe("q,h,f");
    camera.setLayers({ mid: "0", rids: ["q"] });
    camera.setLayers(null);
    await settled();
    expect(senders[0]?.active).toBe("q,h,f");
  });
});

test("an offer that was held is applied together with its answer, without a turn of the event loop in between", async () => {
  const joining = new Peer({ sources: [{ source: "microphone", track: null }], iceServers: [], iceTransportPolicy: "all" });
  await joining.makeOffer({ restartIce: false, hold: true });
  expect(applied).toEqual([]);
  const done = joining.applyAnswer("answer");
  expect(applied).toEqual(["offer", "answer"]);
  await done;
});
