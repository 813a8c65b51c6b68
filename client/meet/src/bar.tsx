/** The bar at the bottom, with every control of a call. */
import type { Reaction, RoomSnapshot } from "@rotunda/client";
import { canShareScreen } from "@rotunda/client";
import { type Permissions, useDevices, usePermissions } from "@rotunda/react";
import type { ReactNode } from "react";
import {
  BanIcon,
  CameraIcon,
  CameraOffIcon,
  ChatIcon,
  DiagnosticsIcon,
  FlipCameraIcon,
  GridIcon,
  HandIcon,
  LeaveIcon,
  LinkIcon,
  LockIcon,
  MicrophoneIcon,
  MicrophoneOffIcon,
  MoreIcon,
  NextIcon,
  PauseIcon,
  PeopleIcon,
  PictureIcon,
  PreviousIcon,
  RecordIcon,
  ResumeIcon,
  ScreenIcon,
  SettingsIcon,
  ShowIcon,
  SmileIcon,
  SpeakerViewIcon,
} from "./icons";
import type { MenuItem } from "./menu";
import { Menu } from "./menu";
import { useTexts } from "./preferences";
import { EMOJI } from "./reactions";
import { isRecording } from "./recordings";
import type { Texts } from "./texts";
import type { Actions } from "./use-actions";
import type { Picture } from "./use-picture";
import type { Stage } from "./use-stage";

export type PanelName = "chat" | "people" | "settings" | "diagnostics" | "bans";

interface Props {
  readonly snapshot: RoomSnapshot;
  readonly name: string;
  readonly stage: Stage;
  readonly picture: Picture;
  readonly panel: PanelName | null;
  readonly unread: number;
  readonly actions: Actions;
  readonly onPanel: (panel: PanelName) => void;
}

export function Bar({ snapshot, name, stage, picture, panel, unread, actions, onPanel }: Props) {
  const texts = useTexts();
  const { participants, publishes, hands, isLocked, features } = snapshot;
  const may = usePermissions();
  const { cameras } = useDevices(snapshot.camera.track?.id);
  const canFlip = cameras.length > 1;
  return (
    <nav className="bar" id="bar" aria-label={texts.call} tabIndex={-1}>
      <h1 className="room-name">
        {isLocked ? <LockIcon /> : null}
        {name}
      </h1>
      <div className="buttons">
        {publishes ? <DeviceButtons snapshot={snapshot} actions={actions} /> : null}
        {may.chat ? <TalkButtons snapshot={snapshot} actions={actions} /> : null}
        {features.chat ? (
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
        ) : null}
        <Button label={texts.people} hotkey="P" isOpen={panel === "people"} onClick={() => onPanel("people")} id="people">
          <PeopleIcon />
          <span className="count">{hands.length > 0 ? "✋" : participants.length + 1}</span>
        </Button>
        <Menu id="more" label={texts.more} items={moreItems(texts, { snapshot, may, name, stage, picture, actions, canFlip, onPanel })}>
          <MoreIcon />
        </Menu>
        <button type="button" className="round leave" aria-label={texts.leave} id="leave" onClick={actions.leave}>
          <LeaveIcon />
          <span className="tip" aria-hidden="true">
            {texts.leave}
          </span>
        </button>
      </div>
      <ViewButtons stage={stage} isAlone={participants.length === 0} />
    </nav>
  );
}

/** The pages of the stage, and the choice between grid and speaker view. */
function ViewButtons({ stage, isAlone }: { readonly stage: Stage; readonly isAlone: boolean }) {
  const texts = useTexts();
  const { choice, toggleMode } = stage;
  const isGrid = choice.mode === "grid";
  return (
    <div className="view-buttons">
      <Pager stage={stage} />
      {isAlone ? null : (
        <Button id="view" label={isGrid ? texts.speakerView : texts.gridView} hotkey="L" isForWide onClick={toggleMode}>
          {isGrid ? <SpeakerViewIcon /> : <GridIcon />}
        </Button>
      )}
    </div>
  );
}

/** Its buttons stay enabled at both ends, so that the focus stays in place. */
function Pager({ stage: { arrangement, turn } }: { readonly stage: Stage }) {
  const texts = useTexts();
  const { page, pages } = arrangement;
  if (pages === 1) {
    return null;
  }
  return (
    <div className="pager">
      <Button id="previous-page" label={texts.previousPage} hotkey="B" isAtEnd={page === 0} onClick={() => turn(-1)}>
        <PreviousIcon />
      </Button>
      <span role="status" aria-label={texts.page(page + 1, pages)}>
        {page + 1} / {pages}
      </span>
      <Button id="next-page" label={texts.nextPage} hotkey="N" isAtEnd={page === pages - 1} onClick={() => turn(1)}>
        <NextIcon />
      </Button>
    </div>
  );
}

type ButtonsProps = Pick<Props, "snapshot" | "actions">;

function DeviceButtons({ snapshot: { microphone, camera, screen, features }, actions }: ButtonsProps) {
  const texts = useTexts();
  const may = usePermissions();
  return (
    <>
      {may.microphone ? (
        <Button
          label={microphone.on ? texts.mute : texts.unmute}
          hotkey="M"
          isOff={!microphone.on}
          onClick={actions.microphone}
          id="microphone"
        >
          {microphone.on ? <MicrophoneIcon /> : <MicrophoneOffIcon />}
        </Button>
      ) : null}
      {may.camera ? (
        <Button
          label={camera.on ? texts.cameraOff : texts.cameraOn}
          hotkey="V"
          isOff={!camera.on}
          onClick={actions.camera}
          id="camera"
        >
          {camera.on ? <CameraIcon /> : <CameraOffIcon />}
        </Button>
      ) : null}
      {may.screen && features.screen_share && canShareScreen() ? (
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

function TalkButtons({ snapshot: { self, features }, actions }: ButtonsProps) {
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
      {features.reactions ? (
        <Menu id="react" label={texts.react} items={reactions} isRow staysOpen>
          <SmileIcon />
        </Menu>
      ) : null}
    </>
  );
}

interface MoreProps extends Pick<Props, "snapshot" | "name" | "stage" | "picture" | "actions" | "onPanel"> {
  readonly may: Permissions;
  /** True if there is another camera. */
  readonly canFlip: boolean;
}

function moreItems(texts: Texts, { snapshot, may, name, stage, picture, actions, canFlip, onPanel }: MoreProps): MenuItem[] {
  const { isLocked, recording, call, features } = snapshot;
  const items: MenuItem[] = [
    ...narrowItems(texts, snapshot, may, actions, canFlip),
    { label: texts.copyLink, icon: <LinkIcon />, onChoose: () => actions.copyLink(name) },
    { label: texts.devices, icon: <SettingsIcon />, onChoose: () => onPanel("settings") },
    ...viewItems(texts, snapshot, stage, picture),
    { id: "diagnostics", label: texts.diagnostics, icon: <DiagnosticsIcon />, onChoose: () => onPanel("diagnostics") },
  ];
  if (may.record && features.recording) {
    const runs = isRecording(recording);
    items.push({
      id: runs ? "stop_recording" : "record",
      label: runs ? texts.stopRecording : texts.record,
      icon: <RecordIcon />,
      onChoose: () => actions.record(!runs),
    });
  }
  if (may.moderate) {
    const isPaused = call.state === "paused";
    if (isPaused || call.state === "active") {
      const label = isPaused ? texts.resumeCall : texts.pauseCall;
      items.push({ id: "pause", label, icon: isPaused ? <ResumeIcon /> : <PauseIcon />, onChoose: () => actions.pause(!isPaused) });
    }
    items.push(
      { label: isLocked ? texts.unlock : texts.lock, icon: <LockIcon />, onChoose: () => actions.lock(!isLocked) },
      { id: "bans", label: texts.bans, icon: <BanIcon />, onChoose: () => onPanel("bans") },
      { label: texts.endForAll, icon: <LeaveIcon />, isDangerous: true, onChoose: actions.end },
    );
  }
  return items;
}

/** Menu items for controls that do not fit in a narrow bar. */
function narrowItems(texts: Texts, { self, screen, camera, publishes, features }: RoomSnapshot, may: Permissions, actions: Actions, canFlip: boolean): MenuItem[] {
  const items: MenuItem[] = [];
  if (may.chat) {
    const label = self?.hasHandUp === true ? texts.lowerHand : texts.raiseHand;
    items.push({ label, icon: <HandIcon />, isForNarrow: true, onChoose: actions.hand });
  }
  if (publishes && may.camera && camera.on && canFlip) {
    items.push({ id: "flip", label: texts.flipCamera, icon: <FlipCameraIcon />, isForNarrow: true, onChoose: actions.flipCamera });
  }
  if (publishes && may.screen && features.screen_share && canShareScreen()) {
    const label = screen === null ? texts.shareScreen : texts.stopScreen;
    items.push({ label, icon: <ScreenIcon />, isForNarrow: true, onChoose: actions.screen });
  }
  return items;
}

function viewItems(texts: Texts, { participants }: RoomSnapshot, { choice, toggleMode, hideSelf }: Stage, picture: Picture): MenuItem[] {
  const items: MenuItem[] = [];
  if (participants.length > 0) {
    const isGrid = choice.mode === "grid";
    const icon = isGrid ? <SpeakerViewIcon /> : <GridIcon />;
    items.push({ label: isGrid ? texts.speakerView : texts.gridView, icon, isForNarrow: true, onChoose: toggleMode });
  }
  if (picture.isSupported) {
    const label = picture.isOpen ? texts.closePicture : texts.openPicture;
    items.push({ id: "picture", label, icon: <PictureIcon />, onChoose: picture.toggle });
  }
  if (choice.hidesSelf) {
    items.push({ id: "show", label: texts.showSelf, icon: <ShowIcon />, onChoose: () => hideSelf(false) });
  }
  return items;
}

interface ButtonProps {
  readonly id: string;
  readonly label: string;
  /** The equivalent keyboard shortcut. */
  readonly hotkey?: string;
  readonly isOff?: boolean;
  readonly isActive?: boolean;
  readonly isOpen?: boolean;
  /** If true, it does nothing now. */
  readonly isAtEnd?: boolean;
  /** If true, a narrow page shows it in the menu instead. */
  readonly isForWide?: boolean;
  readonly onClick: () => void;
  readonly children: ReactNode;
}

function Button({ id, label, hotkey, isOff, isActive, isOpen, isAtEnd, isForWide, onClick, children }: ButtonProps) {
  const states = { off: isOff, open: isActive === true || isOpen === true, "at-end": isAtEnd, "only-wide": isForWide };
  const className = Object.entries(states).reduce((names, [name, is]) => (is === true ? `${names} ${name}` : names), "round");
  return (
    <button
      type="button"
      id={id}
      className={className}
      aria-label={label}
      aria-keyshortcuts={hotkey}
      aria-expanded={isOpen}
      aria-disabled={isAtEnd}
      onClick={isAtEnd === true ? undefined : onClick}
    >
      {children}
      <span className="tip" aria-hidden="true">
        {label} {hotkey === undefined ? null : <kbd>{hotkey}</kbd>}
      </span>
    </button>
  );
}
