/** The bar at the bottom: everything one does in a call. */
import type { Reaction, RoomSnapshot } from "@rotunda/client";
import { canShareScreen } from "@rotunda/client";
import type { ReactNode } from "react";
import {
  CameraIcon,
  CameraOffIcon,
  ChatIcon,
  HandIcon,
  LeaveIcon,
  LinkIcon,
  LockIcon,
  MicrophoneIcon,
  MicrophoneOffIcon,
  MoreIcon,
  PeopleIcon,
  RecordIcon,
  ScreenIcon,
  SettingsIcon,
  SmileIcon,
} from "./icons";
import type { MenuItem } from "./menu";
import { Menu } from "./menu";
import { useTexts } from "./preferences";
import { EMOJI } from "./reactions";
import { isRecording } from "./recordings";
import type { Texts } from "./texts";
import type { Actions } from "./use-actions";

export type PanelName = "chat" | "people" | "settings";

interface Props {
  readonly snapshot: RoomSnapshot;
  readonly name: string;
  readonly panel: PanelName | null;
  readonly unread: number;
  readonly actions: Actions;
  readonly onPanel: (panel: PanelName) => void;
}

export function Bar({ snapshot, name, panel, unread, actions, onPanel }: Props) {
  const texts = useTexts();
  const { participants, publishes, self, hands, isLocked } = snapshot;
  const mayChat = self?.grants.chat ?? false;
  return (
    <nav className="bar" id="bar" aria-label={texts.call} tabIndex={-1}>
      <h1 className="room-name">
        {isLocked ? <LockIcon /> : null}
        {name}
      </h1>
      <div className="buttons">
        {publishes ? <DeviceButtons snapshot={snapshot} actions={actions} /> : null}
        {mayChat ? <TalkButtons snapshot={snapshot} actions={actions} /> : null}
        <Button
          label={unread === 0 ? texts.chat : texts.chatUnread(unread)}
          hotkey="C"
          isOpen={panel === "chat"}
          onClick={() => onPanel("chat")}
          id="chat"
        >
          <ChatIcon />
          {unread === 0 ? null : <span className="count news">{unread > 99 ? "99+" : unread}</span>}
        </Button>
        <Button label={texts.people} hotkey="P" isOpen={panel === "people"} onClick={() => onPanel("people")} id="people">
          <PeopleIcon />
          <span className="count">{hands.length > 0 ? "✋" : participants.length + 1}</span>
        </Button>
        <Menu id="more" label={texts.more} items={moreItems(texts, snapshot, name, actions, onPanel)}>
          <MoreIcon />
        </Menu>
        <button type="button" className="round leave" aria-label={texts.leave} id="leave" onClick={actions.leave}>
          <LeaveIcon />
          <span className="tip" aria-hidden="true">
            {texts.leave}
          </span>
        </button>
      </div>
    </nav>
  );
}

type ButtonsProps = Pick<Props, "snapshot" | "actions">;

function DeviceButtons({ snapshot: { microphone, camera, screen }, actions }: ButtonsProps) {
  const texts = useTexts();
  return (
    <>
      <Button
        label={microphone.on ? texts.mute : texts.unmute}
        hotkey="M"
        isOff={!microphone.on}
        onClick={actions.microphone}
        id="microphone"
      >
        {microphone.on ? <MicrophoneIcon /> : <MicrophoneOffIcon />}
      </Button>
      <Button
        label={camera.on ? texts.cameraOff : texts.cameraOn}
        hotkey="V"
        isOff={!camera.on}
        onClick={actions.camera}
        id="camera"
      >
        {camera.on ? <CameraIcon /> : <CameraOffIcon />}
      </Button>
      {canShareScreen() ? (
        <Button
          label={screen === null ? texts.shareScreen : texts.stopScreen}
          hotkey="S"
          isActive={screen !== null}
          isForWide
          onClick={actions.screen}
          id="screen"
        >
          <ScreenIcon />
        </Button>
      ) : null}
    </>
  );
}

function TalkButtons({ snapshot: { self }, actions }: ButtonsProps) {
  const texts = useTexts();
  const hasHandUp = self?.hasHandUp ?? false;
  const reactions = (Object.keys(EMOJI) as Reaction[]).map((reaction) => ({
    label: texts.reactions[reaction],
    icon: <span className="emoji">{EMOJI[reaction]}</span>,
    onChoose: () => actions.react(reaction),
  }));
  return (
    <>
      <Button
        label={hasHandUp ? texts.lowerHand : texts.raiseHand}
        hotkey="H"
        isActive={hasHandUp}
        isForWide
        onClick={actions.hand}
        id="hand"
      >
        <HandIcon />
      </Button>
      <Menu id="react" label={texts.react} items={reactions} isRow staysOpen>
        <SmileIcon />
      </Menu>
    </>
  );
}

function moreItems(
  texts: Texts,
  snapshot: RoomSnapshot,
  name: string,
  actions: Actions,
  onPanel: (panel: PanelName) => void,
): MenuItem[] {
  const { self, isLocked, recording } = snapshot;
  const items: MenuItem[] = [
    ...narrowItems(texts, snapshot, actions),
    { label: texts.copyLink, icon: <LinkIcon />, onChoose: () => actions.copyLink(name) },
    { label: texts.devices, icon: <SettingsIcon />, onChoose: () => onPanel("settings") },
  ];
  if (self?.grants.record === true) {
    const runs = isRecording(recording);
    items.push({
      id: runs ? "stop_recording" : "record",
      label: runs ? texts.stopRecording : texts.record,
      icon: <RecordIcon />,
      onChoose: () => actions.record(!runs),
    });
  }
  if (self?.grants.moderate === true) {
    items.push(
      { label: isLocked ? texts.unlock : texts.lock, icon: <LockIcon />, onChoose: () => actions.lock(!isLocked) },
      { label: texts.endForAll, icon: <LeaveIcon />, isDangerous: true, onChoose: actions.end },
    );
  }
  return items;
}

/** What is in the menu where the bar is too narrow for it. */
function narrowItems(texts: Texts, { self, screen, publishes }: RoomSnapshot, actions: Actions): MenuItem[] {
  const items: MenuItem[] = [];
  if (self?.grants.chat === true) {
    const label = self.hasHandUp ? texts.lowerHand : texts.raiseHand;
    items.push({ label, icon: <HandIcon />, isForNarrow: true, onChoose: actions.hand });
  }
  if (publishes && canShareScreen()) {
    const label = screen === null ? texts.shareScreen : texts.stopScreen;
    items.push({ label, icon: <ScreenIcon />, isForNarrow: true, onChoose: actions.screen });
  }
  return items;
}

interface ButtonProps {
  readonly id: string;
  readonly label: string;
  /** The key that does the same. */
  readonly hotkey?: string;
  readonly isOff?: boolean;
  readonly isActive?: boolean;
  readonly isOpen?: boolean;
  /** Whether it gives way to an entry of the menu on a narrow page. */
  readonly isForWide?: boolean;
  readonly onClick: () => void;
  readonly children: ReactNode;
}

function Button({ id, label, hotkey, isOff, isActive, isOpen, isForWide, onClick, children }: ButtonProps) {
  const states = { off: isOff, open: isActive === true || isOpen === true, "only-wide": isForWide };
  const className = Object.entries(states).reduce((names, [name, is]) => (is === true ? `${names} ${name}` : names), "round");
  return (
    <button
      type="button"
      id={id}
      className={className}
      aria-label={label}
      aria-keyshortcuts={hotkey}
      aria-expanded={isOpen}
      onClick={onClick}
    >
      {children}
      <span className="tip" aria-hidden="true">
        {label} {hotkey === undefined ? null : <kbd>{hotkey}</kbd>}
      </span>
    </button>
  );
}
