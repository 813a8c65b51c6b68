/** The menu of a person: the same on the tile and in the list. */
import type { Participant, RoomSnapshot } from "@rotunda/client";
import { trackOf } from "@rotunda/react";
import { CameraIcon, CameraOffIcon, HandIcon, LeaveIcon, MicrophoneIcon, MicrophoneOffIcon, PeopleIcon, PinIcon, VolumeIcon } from "./icons";
import type { MenuItem } from "./menu";
import type { Texts } from "./texts";
import type { Actions } from "./use-actions";

/** The ids that the edge gives to guests. */
const GUEST = /^guest-[0-9a-f]{32}(~\d)?$/;

interface Person {
  readonly participant: Participant;
  /** As shown. */
  readonly name: string;
  /** `null` if the user may not moderate. */
  readonly actions: Actions | null;
  readonly snapshot: RoomSnapshot;
  readonly onVolume: () => void;
}

/** Items for another person than the user. */
export function personItems(texts: Texts, { participant, name, actions, snapshot, onVolume }: Person): MenuItem[] {
  const volume = { id: "volume", label: texts.volumeOf(name), icon: <VolumeIcon />, onChoose: onVolume };
  if (actions === null) {
    return [volume];
  }
  const isSpotlit = snapshot.spotlight.includes(participant.id);
  const mayDecide = decidesAboutHost(snapshot);
  const isBelow = participant.role !== "admin" || snapshot.self?.role === "admin";
  const mayAct = isBelow && (participant.role !== "host" || mayDecide);
  return [
    volume,
    ...mediaItems(texts, participant, name, actions, mayAct),
    {
      id: "spotlight",
      label: isSpotlit ? texts.endSpotlight : texts.spotlightName(name),
      icon: <PinIcon />,
      onChoose: () => actions.spotlight(isSpotlit ? null : participant),
    },
    ...(isBelow ? roleItems(texts, participant, name, actions, mayDecide) : []),
    ...hostItems(texts, participant, name, actions, mayAct),
  ];
}

/** True if the user may replace or remove the host: as the host, as an administrator, and while there is none. */
function decidesAboutHost({ self, participants }: RoomSnapshot): boolean {
  return self?.role === "host" || self?.role === "admin" || !participants.some(({ role }) => role === "host");
}

function mediaItems(texts: Texts, participant: Participant, name: string, actions: Actions, mayBlock: boolean): MenuItem[] {
  const items: MenuItem[] = [];
  const { publish, microphone, camera } = participant.grants;
  if (trackOf(participant, "microphone")?.muted === false) {
    items.push({ label: texts.muteName(name), icon: <MicrophoneOffIcon />, onChoose: () => actions.mute(participant) });
  }
  if (trackOf(participant, "camera")?.muted === false) {
    items.push({ id: "stop_video", label: texts.stopVideoOf(name), icon: <CameraOffIcon />, onChoose: () => actions.stopVideo(participant) });
  }
  if (publish && mayBlock) {
    items.push(
      {
        id: "block_microphone",
        label: microphone ? texts.blockMicrophoneOf(name) : texts.allowMicrophoneOf(name),
        icon: microphone ? <MicrophoneOffIcon /> : <MicrophoneIcon />,
        onChoose: () => actions.allow(participant, { microphone: !microphone }),
      },
      {
        id: "block_camera",
        label: camera ? texts.blockCameraOf(name) : texts.allowCameraOf(name),
        icon: camera ? <CameraOffIcon /> : <CameraIcon />,
        onChoose: () => actions.allow(participant, { camera: !camera }),
      },
    );
  }
  return items;
}

/** The host hands over by naming another one. */
function roleItems(texts: Texts, participant: Participant, name: string, actions: Actions, mayHandOver: boolean): MenuItem[] {
  if (participant.role === "host") {
    return [];
  }
  const isCohost = participant.role === "cohost";
  const label = isCohost ? texts.endCohost(name) : texts.makeCohost(name);
  const items: MenuItem[] = [
    { id: "cohost", label, icon: <PeopleIcon />, onChoose: () => actions.setRole(participant, isCohost ? "participant" : "cohost") },
  ];
  if (mayHandOver) {
    items.push({ id: "host", label: texts.makeHost(name), icon: <PeopleIcon />, onChoose: () => actions.setRole(participant, "host") });
  }
  return items;
}

function hostItems(texts: Texts, participant: Participant, name: string, actions: Actions, mayRemove: boolean): MenuItem[] {
  const items: MenuItem[] = [];
  if (participant.hasHandUp) {
    items.push({ label: texts.lowerHandOf(name), icon: <HandIcon />, onChoose: () => actions.lowerHand(participant) });
  }
  if (!mayRemove) {
    return items;
  }
  items.push({ label: texts.removeName(name), icon: <LeaveIcon />, isDangerous: true, onChoose: () => actions.remove(participant) });
  if (GUEST.test(participant.id)) {
    const remove = (): void => actions.removeConnection(participant, name);
    items.push({ id: "remove_connection", label: texts.removeConnection, icon: <LeaveIcon />, isDangerous: true, onChoose: remove });
  }
  return items;
}
