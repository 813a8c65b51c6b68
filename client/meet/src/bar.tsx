/** The bar at the bottom: everything one does in a call. */
import type { RoomSnapshot } from "@rotunda/client";
import type { ReactNode } from "react";
import {
  CameraIcon,
  CameraOffIcon,
  LeaveIcon,
  LinkIcon,
  MicrophoneIcon,
  MicrophoneOffIcon,
  PeopleIcon,
  SettingsIcon,
} from "./icons";
import { inviteLink } from "./invite";

/** What stands beside the grid. */
export type Panel = "people" | "settings";

interface Props {
  readonly snapshot: RoomSnapshot;
  readonly room: string;
  readonly panel: Panel | null;
  readonly onPanel: (panel: Panel) => void;
  readonly onMicrophone: () => void;
  readonly onCamera: () => void;
  readonly onCopied: () => void;
  readonly onLeave: () => void;
}

/** Seven buttons. */
export function Bar({ snapshot, room, panel, onPanel, onMicrophone, onCamera, onCopied, onLeave }: Props) {
  const { participants, publishes } = snapshot;
  const copy = (): void => {
    const link = inviteLink(room);
    // Where the clipboard is absent (not a secure context) or not allowed, the user can still copy by hand.
    Promise.resolve()
      .then(() => navigator.clipboard.writeText(link))
      .then(onCopied, () => window.prompt("The link to this room", link));
  };
  return (
    <nav className="bar" aria-label="Call">
      <span className="room-name">{room}</span>
      <div className="buttons">
        {publishes ? <DeviceButtons snapshot={snapshot} onMicrophone={onMicrophone} onCamera={onCamera} /> : null}
        <Button label="Devices" isOpen={panel === "settings"} onClick={() => onPanel("settings")} id="settings">
          <SettingsIcon />
        </Button>
        <Button label="Copy the link to this room" onClick={copy} id="invite">
          <LinkIcon />
        </Button>
        <Button label="Participants" isOpen={panel === "people"} onClick={() => onPanel("people")} id="people">
          <PeopleIcon />
          <span className="count">{participants.length + 1}</span>
        </Button>
        <button type="button" className="round leave" aria-label="Leave the room" title="Leave" id="leave" onClick={onLeave}>
          <LeaveIcon />
        </button>
      </div>
    </nav>
  );
}

type DeviceProps = Pick<Props, "snapshot" | "onMicrophone" | "onCamera">;

function DeviceButtons({ snapshot: { microphone, camera }, onMicrophone, onCamera }: DeviceProps) {
  return (
    <>
      <Button
        label={microphone.on ? "Mute (M)" : "Unmute (M)"}
        isOff={!microphone.on}
        onClick={onMicrophone}
        id="microphone"
      >
        {microphone.on ? <MicrophoneIcon /> : <MicrophoneOffIcon />}
      </Button>
      <Button
        label={camera.on ? "Turn the camera off (V)" : "Turn the camera on (V)"}
        isOff={!camera.on}
        onClick={onCamera}
        id="camera"
      >
        {camera.on ? <CameraIcon /> : <CameraOffIcon />}
      </Button>
    </>
  );
}

interface ButtonProps {
  readonly id: string;
  readonly label: string;
  readonly isOff?: boolean;
  readonly isOpen?: boolean;
  readonly onClick: () => void;
  readonly children: ReactNode;
}

function Button({ id, label, isOff, isOpen, onClick, children }: ButtonProps) {
  const className = `round${isOff === true ? " off" : ""}${isOpen === true ? " open" : ""}`;
  return (
    <button
      type="button"
      id={id}
      className={className}
      aria-label={label}
      aria-pressed={isOff}
      aria-expanded={isOpen}
      title={label}
      onClick={onClick}
    >
      {children}
    </button>
  );
}
