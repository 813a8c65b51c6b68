/** The volume that the user has chosen for each person, for this visit. */
import type { ParticipantId } from "@rotunda/client";
import { useCallback, useState } from "react";

export interface Volumes {
  /** From 0 to 1; 1 if absent. */
  readonly of: ReadonlyMap<ParticipantId, number>;
  readonly set: (participant: ParticipantId, volume: number) => void;
  /** The person whose volume is being changed. */
  readonly open: ParticipantId | null;
  readonly setOpen: (participant: ParticipantId | null) => void;
}

export function useVolumes(): Volumes {
  const [of, setAll] = useState<ReadonlyMap<ParticipantId, number>>(new Map());
  const [open, setOpen] = useState<ParticipantId | null>(null);
  const set = useCallback((participant: ParticipantId, volume: number) => setAll((before) => new Map(before).set(participant, volume)), []);
  return { of, set, open, setOpen };
}
