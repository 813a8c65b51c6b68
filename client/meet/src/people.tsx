/** Who is in the room, and, for those who may, a way to remove somebody. */
import type { Participant, RoomSnapshot } from "@rotunda/client";
import { CameraOffIcon, CloseIcon, MicrophoneOffIcon } from "./icons";
import { Avatar, trackOf } from "./tile";
import { nameOr } from "./use-room";

interface Props {
  readonly snapshot: RoomSnapshot;
  /** Nothing where the user may not remove others. */
  readonly onKick: ((id: string) => void) | null;
  readonly onClose: () => void;
}

/** The list of participants. */
export function People({ snapshot: { self, participants }, onKick, onClose }: Props) {
  const everybody = self === null ? participants : [self, ...participants];
  return (
    <aside className="panel" aria-label="Participants">
      <header>
        <h2>In the room</h2>
        <button type="button" className="plain" aria-label="Close" onClick={onClose}>
          <CloseIcon />
        </button>
      </header>
      <ul>
        {everybody.map((participant) => (
          <li key={participant.id}>
            <Person participant={participant} />
            {onKick === null || participant.isSelf ? null : (
              <button
                type="button"
                aria-label={`Remove ${nameOr(participant.name)}`}
                onClick={() => onKick(participant.id)}
              >
                Remove
              </button>
            )}
          </li>
        ))}
      </ul>
    </aside>
  );
}

function Person({ participant }: { participant: Participant }) {
  const { id, name, isSelf, speaking, connection } = participant;
  const isOff = (source: "microphone" | "camera"): boolean => trackOf(participant, source)?.muted ?? true;
  return (
    <span className={speaking ? "person speaking" : "person"}>
      <Avatar id={id} name={name} />
      <span className="who">
        {nameOr(name)}
        {isSelf ? " (you)" : ""}
        {connection === "reconnecting" ? <small> reconnecting</small> : null}
      </span>
      {isOff("microphone") ? <MicrophoneOffIcon /> : null}
      {isOff("camera") ? <CameraOffIcon /> : null}
    </span>
  );
}
