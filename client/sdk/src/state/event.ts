/** The events that the client reacts to, and the commands that it answers with. */
import type { ClientErrorCode } from "../errors";
import type { ClientToEdge, EdgeToClient, ErrorCode, IceServer, MessageId, ParticipantId, Reaction, TrackSource } from "../protocol.gen";
import type { Lines, PublishedSection, SlotCounts, WantedLayers } from "./model";

export type Event =
  | { readonly on: "start" }
  | { readonly on: "socket_opened" }
  | { readonly on: "socket_closed"; readonly code: number }
  | { readonly on: "token_unavailable"; readonly failure: Failure }
  | { readonly on: "frame"; readonly text: string }
  | { readonly on: "network_changed" }
  /** The page enters the back/forward cache, where it does not run; it may return at any time, or never. */
  | { readonly on: "page_hidden" }
  | { readonly on: "page_shown" }
  | {
      readonly on: "offer_made";
      readonly offer: number;
      readonly sdp: string;
      readonly sections: readonly PublishedSection[];
    }
  | { readonly on: "offer_failed"; readonly offer: number; readonly detail: string }
  | { readonly on: "answer_applied"; readonly offer: number; readonly moved: boolean }
  | { readonly on: "answer_refused"; readonly offer: number; readonly detail: string }
  | { readonly on: "transport_connected" }
  | { readonly on: "transport_lost"; readonly why: "quiet" | "failed" | "dtls" }
  /** The application requests a new negotiation. */
  | { readonly on: "recover"; readonly reason: "ice_restart" | "new_transport" }
  | { readonly on: "set_muted"; readonly source: TrackSource; readonly muted: boolean }
  | { readonly on: "set_view"; readonly participants: readonly ParticipantId[]; readonly lines: Lines | null }
  | { readonly on: "sections_changed" }
  | { readonly on: "write"; readonly message: MessageId; readonly text: string; readonly ticket: number }
  | { readonly on: "ask"; readonly request: Ask; readonly ticket: number }
  | { readonly on: "leave" }
  | { readonly on: "wake" };

/** Another participant's message about a connection of their own. */
export type PeerMessage = Extract<EdgeToClient, { type: "sought" | "signaled" | "peer_servers" }>;

export type PeerRequest = Extract<ClientToEdge, { type: "seek" | "signal" | "list_peer_servers" | "report_direct" }>;

/** One-shot requests to the edge. */
export type Ask = Extract<
  ClientToEdge,
  {
    type:
      | "kick"
      | "list_bans"
      | "list_audience"
      | "lift_ban"
      | "admit_guest"
      | "refuse_guest"
      | "mute_track"
      | "update_participant"
      | "update_room"
      | "start_room"
      | "pause_room"
      | "resume_room"
      | "end_room"
      | "start_recording"
      | "stop_recording"
      | "react"
      | "raise_hand"
      | "lower_hand"
      | "seek"
      | "signal"
      | "list_peer_servers"
      | "report_direct";
  }
>;

export type Command =
  /** Uses this resume secret, or a join token if there is no session. */
  | { readonly do: "open_socket"; readonly secret: string | null }
  | { readonly do: "close_socket"; readonly code: number }
  | { readonly do: "send"; readonly text: string }
  | {
      readonly do: "make_offer";
      readonly offer: number;
      /** On the current transport, on the same one with an ICE restart (RFC 8445 §9), or on a new one. */
      readonly transport: "keep" | "restart_ice" | "new";
      /** If true, the answer contains the ICE servers, so the browser must not gather candidates before it. */
      readonly awaitsServers: boolean;
      readonly slots: SlotCounts;
    }
  | {
      readonly do: "apply_answer";
      readonly offer: number;
      readonly sdp: string;
      /** `null` if they are unchanged. */
      readonly iceServers: readonly IceServer[] | null;
    }
  /** Sends these layers of a section and no others; `null` sends all layers of all sections. */
  | { readonly do: "set_layers"; readonly layers: WantedLayers | null }
  /** The node may be dead: watch closely for media. */
  | { readonly do: "suspect_node" }
  /** The edge does not accept the additional published sources. */
  | { readonly do: "drop_screen" }
  /** A moderator muted this source. */
  | { readonly do: "silence"; readonly source: TrackSource; readonly isHeld: boolean }
  | { readonly do: "show_reaction"; readonly participant: ParticipantId; readonly reaction: Reaction }
  | { readonly do: "tell_peer"; readonly message: PeerMessage }
  | { readonly do: "settle"; readonly ticket: number; readonly failure: Failure | null }
  | { readonly do: "report"; readonly failure: Failure }
  | { readonly do: "end"; readonly failure: Failure | null }
  | { readonly do: "wake"; readonly atMs: number | null };

/** An error as comparable plain data. */
export interface Failure {
  readonly code: ErrorCode | ClientErrorCode;
  readonly detail: string;
}
