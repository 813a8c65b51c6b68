import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { PublishedSource, VideoCodec } from "./peer";
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

/** True for a browser without scalability modes. */
let refusesScalability = false;

class Connection {
  addTransceiver(track: MediaStreamTrack | string, { sendEncodings = [] }: RTCRtpTransceiverInit): object {
    if (refusesScalability && sendEncodings.some((encoding) => (encoding as { scalabilityMode?: string }).scalabilityMode !== undefined)) {
      throw new DOMException("no such mode", "OperationError");
    }
    const sender = new Sender(typeof track === "string" ? null : track, sendEncodings);
    senders.push(sender);
    return { mid: String(senders.length - 1), sender, receiver: {}, direction: "sendonly", setCodecPreferences: () => undefined };
  }
}

beforeEach(() => {
  senders.length = 0;
  refusesScalability = false;
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

describe("the encoding of a screen", () => {
  const publish = (options: { preferCodec?: VideoCodec } = {}) => {
    const sources: PublishedSource[] = [{ source: "screen", track: null }];
    new Peer({ sources, iceServers: [], iceTransportPolicy: "all", ...options });
    return senders.map((sender) => sender.getParameters().encodings);
  };

  test("has temporal layers, so that a slow viewer can have fewer frames of the full size", () => {
    expect(publish()).toEqual([[{ maxBitrate: 4_000_000, scalabilityMode: "L1T3" }]]);
  });

  test("has none where the browser refuses them, and in H.264, whose packets do not name them", () => {
    refusesScalability = true;
    expect(publish()).toEqual([[{ maxBitrate: 4_000_000 }]]);
    senders.length = 0;
    refusesScalability = false;
    expect(publish({ preferCodec: "h264" })).toEqual([[{ maxBitrate: 4_000_000 }]]);
  });
});
