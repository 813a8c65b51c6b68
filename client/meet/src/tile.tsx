/** One participant: their picture or their initials, their name, and how they are. */
import type { Participant, Room } from "@rotunda/client";
import { Avatar, Video, trackOf, useTile } from "@rotunda/react";
import type { CSSProperties } from "react";
import { ConnectionDetails } from "./connection-details";
import { DotsIcon, MicrophoneOffIcon } from "./icons";
import type { MenuItem } from "./menu";
import { Menu } from "./menu";
import { nameOf } from "./names";
import { usePreferences } from "./preferences";
import type { Texts } from "./texts";
import type { Actions } from "./use-actions";

interface Props {
  readonly room: Room;
  readonly participant: Participant;
  /** Nothing where the user may not moderate. */
  readonly actions: Actions | null;
  readonly style?: CSSProperties;
}

export function Tile({ room, participant, actions, style }: Props) {
  const { texts, locale } = usePreferences();
  const { id, isSelf, speaking, connection, hasHandUp } = participant;
  const tile = useTile(id);
  const plain = nameOf(participant, texts);
  const name = isSelf ? texts.you(plain) : plain;
  const camera = trackOf(participant, "camera");
  const isSilent = trackOf(participant, "microphone")?.muted ?? true;
  const isAway = connection === "reconnecting" && !isSelf;
  const isPaused = camera?.paused === true && !camera.muted && !isAway;
  const isUndecodable = camera?.undecodable === true && !camera.muted && !isAway;
  const states = [
    isSilent ? texts.states.microphoneOff : null,
    speaking ? texts.states.speaking : null,
    isAway ? texts.states.reconnecting : null,
    isPaused ? texts.states.videoPaused : null,
    isUndecodable ? texts.states.videoUndecodable : null,
    hasHandUp ? texts.states.handUp : null,
  ];
  const label = [name, ...states.filter((state) => state !== null)].join(", ");
  return (
    <figure
      ref={tile}
      className={speaking && !isSilent ? "tile speaking" : "tile"}
      style={style}
      aria-label={label}
      data-participant={id}
    >
      <Avatar id={id} name={plain} locale={locale} />
      {camera !== null && camera.media !== null && !camera.muted && !isUndecodable ? (
        <Video track={camera.media} mirrored={isSelf} label={texts.cameraOf(name)} />
      ) : null}
      {isAway ? <p className="away">{texts.reconnectingShort}</p> : null}
      {isPaused ? <p className="away">{texts.videoPaused}</p> : null}
      {isUndecodable ? <p className="away">{texts.videoUndecodable}</p> : null}
      <div className="corner">
        {hasHandUp ? (
          <span className="hand" aria-hidden="true">
            ✋
          </span>
        ) : null}
        {isAway ? null : <ConnectionDetails room={room} participant={participant} />}
        {actions === null || isSelf ? null : (
          <Menu className="dots" label={texts.actionsFor(plain)} items={hostItems(texts, participant, plain, actions)}>
            <DotsIcon />
          </Menu>
        )}
      </div>
      <figcaption>
        {isSilent ? <MicrophoneOffIcon /> : null}
        <bdi>{name}</bdi>
      </figcaption>
    </figure>
  );
}

/** A moderator's actions on one participant. */
function hostItems(texts: Texts, participant: Participant, name: string, actions: Actions): MenuItem[] {
  const items: MenuItem[] = [];
  if (trackOf(participant, "microphone")?.muted === false) {
    items.push({ label: texts.muteName(name), onChoose: () => actions.mute(participant) });
  }
  if (participant.hasHandUp) {
    items.push({ label: texts.lowerHandOf(name), onChoose: () => actions.lowerHand(participant) });
  }
  items.push({ label: texts.removeName(name), isDangerous: true, onChoose: () => actions.remove(participant) });
  return items;
}
