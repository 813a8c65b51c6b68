/** One participant: picture or initials, name, and state. */
import type { Room } from "@rotunda/client";
import { Avatar, Video, trackOf, useTile } from "@rotunda/react";
import { ConnectionDetails } from "./connection-details";
import { DotsIcon, HideIcon, MicrophoneOffIcon, PinIcon } from "./icons";
import type { MenuItem } from "./menu";
import { Menu } from "./menu";
import { Name } from "./name";
import { nameOf } from "./names";
import { personItems } from "./person-items";
import { usePreferences } from "./preferences";
import type { TileProps } from "./tile-props";
import type { Actions } from "./use-actions";

interface Props extends TileProps {
  readonly room: Room;
  /** `null` if the user may not moderate. */
  readonly actions: Actions | null;
  readonly onVolume: () => void;
  /** Hides the user's own tile. */
  readonly onHide: () => void;
}

/** Narrower tiles show less. */
const SMALL_PX = 150;

export function Tile({ room, participant, isLarge, isPinned, style, actions, onPin, onVolume, onHide }: Props) {
  const { texts, locale } = usePreferences();
  const { id, isSelf, speaking, connection, hasHandUp } = participant;
  const tile = useTile(id);
  const name = nameOf(participant, texts);
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
    isPinned ? texts.states.pinned : null,
  ];
  const label = [name, ...states.filter((state) => state !== null)].join(", ");
  const items: MenuItem[] = [
    { id: "pin", label: isPinned ? texts.unpinName(name) : texts.pinName(name), icon: <PinIcon />, onChoose: onPin },
    ...(isSelf
      ? [{ id: "hide", label: texts.hideSelf, icon: <HideIcon />, onChoose: onHide }]
      : personItems(texts, { participant, name, actions, snapshot: room.snapshot, onVolume })),
  ];
  return (
    <figure
      ref={tile}
      className={["tile", speaking && !isSilent ? "speaking" : "", style.width < SMALL_PX ? "small" : ""].join(" ")}
      style={style}
      aria-label={label}
      aria-roledescription={isSelf ? texts.yourTile : undefined}
      data-participant={id}
      data-large={isLarge}
      onDoubleClick={({ target }) => target instanceof Element && target.closest("button, [role=menu], .details") === null && onPin()}
    >
      <Avatar id={id} name={name} locale={locale} />
      {camera !== null && camera.media !== null && !camera.muted && !isUndecodable ? (
        <Video track={camera.media} mirrored={isSelf && !isBehind(camera.media)} label={isSelf ? texts.yourCamera : texts.cameraOf(name)} />
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
        {isPinned ? (
          <button type="button" className="dots pin" aria-label={texts.unpinName(name)} title={texts.unpinName(name)} onClick={onPin}>
            <PinIcon />
          </button>
        ) : null}
        <Menu className="dots" label={texts.actionsFor(name)} items={items}>
          <DotsIcon />
        </Menu>
      </div>
      <figcaption>
        {isSilent ? <MicrophoneOffIcon /> : null}
        <Name name={name} isSelf={isSelf} />
      </figcaption>
    </figure>
  );
}

/** True for the camera at the back of a phone, which shows what the user sees. */
function isBehind(track: MediaStreamTrack): boolean {
  return track.getSettings().facingMode === "environment";
}
