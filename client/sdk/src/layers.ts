/** The simulcast layers of a camera: up to three, each with half the lines of the next (RFC 8853). Pure. */

/** From the lowest to the highest, as the room expects them. */
export const RIDS = ["q", "h", "f"] as const;

/** The size of a camera is unknown until it is open. */
const LINES_DEFAULT = 720;
/** Smaller captures have two layers, or one: fewer lines than a thumbnail are useless. */
const LINES_FOR_THREE = 540;
const LINES_FOR_TWO = 270;
/** The bitrate for 720 lines at 30 frames per second; 360 lines then have 500, 180 lines 150 kbit/s. */
const BITRATE_BPS_720 = 1_700_000;
/** Fewer lines need more bits for each pixel. */
const BITRATE_EXPONENT = 1.75;
/** A higher rate adds little at the size of a tile. */
const BITRATE_BPS_MAX = 2_500_000;

export interface Layer {
  readonly rid: string;
  readonly active: boolean;
  readonly scaleResolutionDownBy: number;
  readonly maxBitrate: number;
  /** Frames per second; no limit if absent. */
  readonly maxFramerate?: number;
}

/**
 * The layers of a capture with this many lines. A small one has fewer: they are counted from the bottom, so that the
 * lowest layer is always present. The others are inactive, like layers that a browser turns off on a slow uplink.
 */
export function layersOf(lines: number = LINES_DEFAULT): Layer[] {
  const count = lines < LINES_FOR_TWO ? 1 : lines < LINES_FOR_THREE ? 2 : RIDS.length;
  return RIDS.map((rid, index) => {
    const scaleResolutionDownBy = 2 ** Math.max(0, count - 1 - index);
    const maxBitrate = bitrateOf(lines / scaleResolutionDownBy);
    return { rid, active: index < count, scaleResolutionDownBy, maxBitrate };
  });
}

/**
 * The same layers, with unwanted ones turned off. A list without a usable rid changes nothing, but an empty list turns
 * all off.
 */
export function watched(layers: readonly Layer[], wanted: readonly string[] | undefined): Layer[] {
  const isAnswer = wanted !== undefined && (wanted.length === 0 || layers.some(({ rid, active }) => active && wanted.includes(rid)));
  return layers.map((layer) => ({ ...layer, active: layer.active && (!isAnswer || wanted.includes(layer.rid)) }));
}

/** The SSRCs of a layer: its stream, and its retransmissions. */
export interface Stream {
  readonly ssrc: number;
  readonly rtxSsrc: number;
}

/**
 * Announces the streams of a section's layers in an offer. Chromium does not, and sends the rid in packets only until
 * it was received: without this, another node could not distinguish the layers, nor could the same node after another
 * offer.
 */
export function announce(sdp: string, mid: string, streams: ReadonlyMap<string, Stream>): string {
  const sections = sdp.split(/(?=^m=)/m);
  return sections.map((section) => (section.includes(`\r\na=mid:${mid}\r\n`) ? announceIn(section, streams) : section)).join("");
}

function announceIn(section: string, streams: ReadonlyMap<string, Stream>): string {
  const rids = /^a=simulcast:send (\S+)/m.exec(section)?.[1]?.split(";") ?? [];
  const named = rids.flatMap((rid) => streams.get(rid.replace("~", "")) ?? []);
  if (rids.length === 0 || named.length < rids.length || section.includes("a=ssrc-group:FID")) {
    return section;
  }
  return section + named.map(({ ssrc, rtxSsrc }) => `a=ssrc-group:FID ${ssrc} ${rtxSsrc}\r\n`).join("");
}

/** The lines of a track: the shorter side, because phones are held upright. */
export function linesOf(track: MediaStreamTrack | null): number | undefined {
  const { width, height } = track?.getSettings() ?? {};
  return width === undefined || height === undefined ? height : Math.min(width, height);
}

function bitrateOf(lines: number): number {
  const bitrate = BITRATE_BPS_720 * (lines / LINES_DEFAULT) ** BITRATE_EXPONENT;
  return Math.min(BITRATE_BPS_MAX, Math.round(bitrate / 10_000) * 10_000);
}
