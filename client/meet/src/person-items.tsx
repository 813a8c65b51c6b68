/** The menu of a person: the same on the tile and in the list. */
import type { Participant } from "@rotunda/client";
import { trackOf } from "@rotunda/react";
import { HandIcon, LeaveIcon, MicrophoneOffIcon, VolumeIcon } from "./icons";
import type { MenuItem } from "./menu";
import type { Texts } from "./texts";
import type { Actions } from "./use-actions";

/** The ids that the edge gives to guests. */
const GUEST = /^guest-[0-9a-f]{32}$/;

interface Person {
  readonly participant: Participant;
  /** As shown. */
  readonly name: string;
  /** `null` if the user may not moderate. */
  readonly actions: Actions | null;
  readonly onVolume: () => void;
}

/** Items for another person than the user. */
export function personItems(texts: Texts, { participant, name, actions, onVolume }: Person): MenuItem[] {
  const volume = { id: "volume", label: texts.volumeOf(name), icon: <VolumeIcon />, onChoose: onVolume };
  return [volume, ...(actions === null ? [] : hostItems(texts, participant, name, actions))];
}

function hostItems(texts: Texts, participant: Participant, name: string, actions: Actions): MenuItem[] {
  const items: MenuItem[] = [];
  if (trackOf(participant, "microphone")?.muted === false) {
    items.push({ label: texts.muteName(name), icon: <MicrophoneOffIcon />, onChoose: () => actions.mute(participant) });
  }
  if (participant.hasHandUp) {
    items.push({ label: texts.lowerHandOf(name), icon: <HandIcon />, onChoose: () => actions.lowerHand(participant) });
  }
  items.push({ label: texts.removeName(name), icon: <LeaveIcon />, isDangerous: true, onChoose: () => actions.remove(participant) });
  if (GUEST.test(participant.id)) {
    const remove = (): void => actions.removeConnection(participant, name);
    items.push({ id: "remove_connection", label: texts.removeConnection, icon: <LeaveIcon />, isDangerous: true, onChoose: remove });
  }
  return items;
}
