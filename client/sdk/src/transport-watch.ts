/** Detects a dead media transport: nothing arrives from the node although something should. Pure; time is an argument. */

/** Cumulative counters of a peer connection. */
export interface TransportSample {
  readonly atMs: number;
  /** Packets of any kind and STUN replies. */
  readonly heard: number;
  /** RTP and RTCP packets: proof that the keys fit too. */
  readonly media: number;
  /** Packets other than RTP, which only the node itself can have created. */
  readonly heardFromNode: number;
  readonly sent: number;
  readonly stunRequests: number;
  readonly stunReplies: number;
  /** The number of participants whose unmuted tracks should arrive. */
  readonly flows: number;
  /**
   * True if the browser itself has lost the path (RTCIceTransportState `disconnected`); it notices a lost address at
   * once.
   */
  readonly disconnected: boolean;
}

/** Silence that counts as death if there is other evidence. */
export const QUIET_MS = 1_500;
/** Silence that counts as death if a steady flow stops when the edge loses the node. */
export const SUSPECT_QUIET_MS = 400;
/** The same for a single participant, who may have stopped sending: a node in service reports every second meanwhile. */
export const SUSPECT_REPORT_QUIET_MS = 1_100;
/** The edge's loss of the node is evidence for this long. */
export const SUSPICION_MS = 3_000;
/**
 * A flow is steady if it has had this rate for this long: reports, STUN replies, and the probes of a paused camera are
 * not.
 */
const STEADY_PACKETS_PER_S = 10;
const STEADY_MS = 2_500;
/** Rates over shorter intervals mean nothing. */
const STEADY_INTERVAL_MS_MIN = 200;
/** Silence that counts as death if anything should arrive. */
export const QUIET_MS_MAX = 6_000;
/** A node that is usually heard from this often while we send is suspect when it is silent. */
const NODE_GAP_MS_MAX = 1_200;
/** Gaps to observe before their length counts as typical. */
const NODE_GAPS_MIN = 4;
/** Less than half a second of audio: enough that the node must have something to report. */
const SENT_PACKETS_MIN = 20;
const STUN_UNANSWERED_MIN = 3;
/** Participants can fall silent individually, but not two at the same moment. */
const FLOWS_MIN = 2;

/** Takes samples of one transport and reports when it dies or recovers. */
export class TransportWatch {
  #last: TransportSample | null = null;
  #heardAtMs = 0;
  /** Counters at the last arrival. */
  #base: TransportSample | null = null;
  #nodeHeardAtMs: number | null = null;
  #nodeGaps = 0;
  #quiet = false;
  #steadyMs = 0;
  #suspectUntilMs = -Infinity;

  /**
   * The edge has lost the node. Alone this proves nothing, because a node in service can lose the edge: only a flow that was
   * steady until now can show that the node is dead as well.
   */
  suspectNode(nowMs: number): void {
    this.#suspectUntilMs = this.#steadyMs >= STEADY_MS ? nowMs + SUSPICION_MS : -Infinity;
  }

  /** `quiet` once when the transport dies, `flowing` whenever media arrives, `alive` whenever anything else arrives. */
  take(sample: TransportSample): "quiet" | "alive" | "flowing" | null {
    const last = this.#last;
    this.#last = sample;
    if (last === null || this.#base === null) {
      this.#hear(sample);
      return null;
    }
    this.#learnNodeGap(last, sample);
    this.#learnPace(last, sample);
    if (sample.heard > last.heard) {
      this.#hear(sample);
      this.#quiet = false;
      return sample.media > last.media ? "flowing" : "alive";
    }
    if (!this.#quiet && this.#isDead(sample, this.#base)) {
      this.#quiet = true;
      return "quiet";
    }
    return null;
  }

  /** The node was replaced: discards the previous node's history. */
  reset(): void {
    this.#last = null;
    this.#base = null;
    this.#nodeHeardAtMs = null;
    this.#nodeGaps = 0;
    this.#quiet = false;
    this.#steadyMs = 0;
    this.#suspectUntilMs = -Infinity;
  }

  #hear(sample: TransportSample): void {
    this.#heardAtMs = sample.atMs;
    this.#base = sample;
  }

  #isDead(sample: TransportSample, base: TransportSample): boolean {
    const quietMs = sample.atMs - this.#heardAtMs;
    const suspectQuietMs = sample.flows >= FLOWS_MIN ? SUSPECT_QUIET_MS : SUSPECT_REPORT_QUIET_MS;
    if (sample.atMs < this.#suspectUntilMs && sample.flows > 0 && quietMs >= suspectQuietMs) {
      return true;
    }
    if (quietMs < QUIET_MS) {
      return false;
    }
    const isSending = sample.sent - base.sent >= SENT_PACKETS_MIN;
    const unanswered = sample.stunRequests - base.stunRequests - (sample.stunReplies - base.stunReplies);
    return (
      unanswered >= STUN_UNANSWERED_MIN ||
      (isSending && this.#nodeGaps >= NODE_GAPS_MIN) ||
      sample.flows >= FLOWS_MIN ||
      ((sample.disconnected || quietMs >= QUIET_MS_MAX) && (isSending || sample.flows > 0))
    );
  }

  #learnPace(last: TransportSample, sample: TransportSample): void {
    const lengthMs = sample.atMs - last.atMs;
    if (lengthMs >= STEADY_INTERVAL_MS_MIN) {
      const isSteady = sample.media - last.media >= (STEADY_PACKETS_PER_S * lengthMs) / 1_000;
      this.#steadyMs = isSteady ? this.#steadyMs + lengthMs : 0;
    }
  }

  #learnNodeGap(last: TransportSample, sample: TransportSample): void {
    if (sample.heardFromNode === last.heardFromNode) {
      return;
    }
    const since = this.#nodeHeardAtMs;
    this.#nodeHeardAtMs = sample.atMs;
    if (since !== null && sample.sent > last.sent) {
      this.#nodeGaps = sample.atMs - since <= NODE_GAP_MS_MAX ? this.#nodeGaps + 1 : 0;
    }
  }
}
