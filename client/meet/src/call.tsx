/** The call: the tiles or a screen, the bar, and notices. */
import type { Room, RoomSnapshot } from "@rotunda/client";
import { AuthProvider, RoomSound, ViewOf, permissionsOf, useChat, usePermissions, useReactions, useRoom, useRoomEvent, volumesOf } from "@rotunda/react";
import type { Chat } from "@rotunda/react";
import { useEffect, useRef, useState } from "react";
import { BansPanel } from "./bans-panel";
import { Bar } from "./bar";
import type { PanelName } from "./bar";
import { ChatPanel } from "./chat-panel";
import type { Chime } from "./chime";
import { play } from "./chime";
import { DiagnosticsPanel } from "./diagnostics-panel";
import { inSentence, isolated, nameOf } from "./names";
import { People } from "./people";
import { usePreferences } from "./preferences";
import { Reactions } from "./reactions";
import { RecordingBadge, isRecording } from "./recordings";
import type { Flags } from "./settings";
import { Settings } from "./settings";
import { Stage } from "./stage";
import type { Texts } from "./texts";
import { useTitle } from "./title";
import type { Actions } from "./use-actions";
import { useActions } from "./use-actions";
import { useFlag } from "./use-flag";
import { useMutedSpeech } from "./use-muted-speech";
import type { Notice } from "./use-notices";
import { useNotices } from "./use-notices";
import { usePicture } from "./use-picture";
import { useShortcuts } from "./use-shortcuts";
import { useStage } from "./use-stage";
import type { Volumes } from "./use-volumes";
import { useVolumes } from "./use-volumes";
import { useWakeLock } from "./use-wake-lock";

interface Props {
  readonly room: Room;
  /** Used in the invitation. */
  readonly name: string;
}

/** The length of a message that people read at a glance. */
const GLANCE_LENGTH = 140;

export function Call({ room, name }: Props) {
  const { texts } = usePreferences();
  const snapshot = useRoom(room);
  const [notice, notify] = useNotices(room, texts);
  const [panel, setPanel] = useState<PanelName | null>(null);
  const chat = useChat(room, panel === "chat");
  const reactions = useReactions(room);
  const actions = useActions(room, texts, notify);
  const open = usePanelFocus(panel, setPanel);
  const stage = useStage(snapshot);
  const volumes = useVolumes();
  const picture = usePicture(snapshot, stage.arrangement);
  const flags = { mutedHint: useFlag("rotunda.muted-hint"), sounds: useFlag("rotunda.sounds") };
  const may = permissionsOf(snapshot.self);

  useTitle(name, chat.unread);
  useWakeLock();
  useNewsOfPeople(room, panel, texts, notify);
  useNewsOfDevices(snapshot, texts, notify);
  useSounds(room, flags.sounds[0]);
  useMutedSpeech(snapshot.microphone, flags.mutedHint[0], () => notify({ text: texts.youAreMuted, isProblem: false }));
  useShortcuts({
    ...(snapshot.publishes && may.microphone ? { m: actions.microphone } : {}),
    ...(snapshot.publishes && may.camera ? { v: actions.camera } : {}),
    ...(snapshot.publishes && may.screen && snapshot.features.screen_share ? { s: actions.screen } : {}),
    ...(may.chat ? { h: actions.hand } : {}),
    ...(snapshot.features.chat ? { c: () => open("chat") } : {}),
    p: () => open("people"),
    l: stage.toggleMode,
    n: () => stage.turn(1),
    b: () => stage.turn(-1),
    Escape: () => setPanel(null),
  });
  const openVolume = (id: string): void => {
    volumes.setOpen(id);
    if (panel !== "people") {
      open("people");
    }
  };
  return (
    <AuthProvider room={room}>
      <div className="call">
        <a className="skip" href="#bar">
          {texts.skipToBar}
        </a>
        <Top snapshot={snapshot} notice={notice} volumes={volumes} />
        <div className="middle">
          <ViewOf room={room} order={stage.arrangement.tiles.map(({ item }) => item.id)} speaker={isLimited(snapshot) ? stage.speaker : null}>
            <Stage
              room={room}
              snapshot={snapshot}
              stage={stage}
              actions={may.moderate ? actions : null}
              onVolume={openVolume}
              onStop={actions.screen}
            />
          </ViewOf>
          <OpenPanel {...{ room, snapshot, panel, chat, volumes, flags, actions, notify, onClose: () => setPanel(null) }} />
        </div>
        <Reactions shown={reactions} snapshot={snapshot} />
        <Bar snapshot={snapshot} name={name} stage={stage} picture={picture} panel={panel} unread={chat.unread} actions={actions} onPanel={open} />
      </div>
    </AuthProvider>
  );
}

/** True while the downlink is too slow for all pictures. */
function isLimited({ participants }: RoomSnapshot): boolean {
  return participants.some(({ tracks }) => tracks.some(({ limit }) => limit !== null));
}

interface TopProps {
  readonly snapshot: RoomSnapshot;
  readonly notice: Notice | null;
  readonly volumes: Volumes;
}

/** The sound of the call, and the banners and notices above the tiles. */
function Top({ snapshot, notice, volumes }: TopProps) {
  const { texts } = usePreferences();
  return (
    <div className="top">
      {snapshot.connection === "reconnecting" ? (
        <p className="banner" role="status">
          {texts.reconnecting}
        </p>
      ) : null}
      {snapshot.isAudioOnly && snapshot.connection === "connected" ? (
        <p className="banner" role="status" id="audio-only">
          {texts.audioOnly}
        </p>
      ) : null}
      {snapshot.call.state === "paused" ? (
        <p className="banner" role="status" id="paused">
          {texts.paused(snapshot.call.reason === null ? null : isolated(snapshot.call.reason))}
        </p>
      ) : null}
      <RecordingBadge recording={snapshot.recording} />
      <RoomSound
        tracks={snapshot.audioTracks}
        speakerId={snapshot.speakerId}
        unblockLabel={texts.soundOn}
        volumes={volumesOf(snapshot.participants, volumes.of)}
      />
      <p className={notice?.isProblem === true ? "notice problem" : "notice"} role="status" data-empty={notice === null}>
        {notice?.text}
      </p>
    </div>
  );
}

interface PanelProps {
  readonly room: Room;
  readonly snapshot: RoomSnapshot;
  readonly panel: PanelName | null;
  readonly chat: Chat;
  readonly volumes: Volumes;
  readonly flags: Flags;
  readonly actions: Actions;
  readonly notify: (notice: Notice) => void;
  readonly onClose: () => void;
}

function OpenPanel({ room, snapshot, panel, chat, volumes, flags, actions, notify, onClose }: PanelProps) {
  // Kept here, so that closing the chat loses no half-written message.
  const [text, set] = useState("");
  const { moderate, admit, chat: mayChat } = usePermissions();
  switch (panel) {
    case "chat":
      return <ChatPanel chat={chat} draft={mayChat ? { text, set } : null} notify={notify} onClose={onClose} />;
    case "people":
      return <People room={room} snapshot={snapshot} volumes={volumes} actions={moderate ? actions : null} lobby={admit ? actions : null} onClose={onClose} />;
    case "diagnostics":
      return <DiagnosticsPanel room={room} snapshot={snapshot} notify={notify} onClose={onClose} />;
    case "bans":
      return moderate ? <BansPanel room={room} onClose={onClose} /> : null;
    case "settings":
      return <Settings room={room} snapshot={snapshot} flags={flags} notify={notify} onClose={onClose} />;
    case null:
      return null;
  }
}

/** Opens or closes a panel; closing returns the focus to where it was. */
function usePanelFocus(panel: PanelName | null, setPanel: (panel: PanelName | null) => void): (name: PanelName) => void {
  const before = useRef<Element | null>(null);
  useEffect(() => {
    if (panel === null && before.current instanceof HTMLElement) {
      before.current.focus({ preventScroll: true });
      before.current = null;
    }
  }, [panel]);
  return (name) => {
    before.current = document.activeElement;
    setPanel(name === panel ? null : name);
  };
}

const NO_GUESTS: RoomSnapshot["guests"] = [];

/**
 * Shows notices of waiting guests, of unseen messages and raised hands, and of a recording that was running before the
 * user joined.
 */
function useNewsOfPeople(room: Room, panel: PanelName | null, texts: Texts, notify: (notice: Notice) => void): void {
  const { hands, participants, guests } = useRoom(room);
  const known = useRef(hands);
  const knownGuests = useRef(NO_GUESTS);
  useRoomEvent(room, "message", (message) => {
    if (panel !== "chat") {
      const { text } = message;
      const glance = text.length > GLANCE_LENGTH ? `${text.slice(0, GLANCE_LENGTH)} …` : text;
      notify({ text: texts.wrote(inSentence(nameOf(message, texts)), isolated(glance)), isProblem: false });
    }
  });
  useEffect(() => {
    const raised = participants.find(({ id }) => hands.includes(id) && !known.current.includes(id));
    known.current = hands;
    if (raised !== undefined) {
      notify({ text: texts.handUp(inSentence(nameOf(raised, texts))), isProblem: false });
    }
  }, [hands, participants, texts, notify]);
  useEffect(() => {
    const arrived = guests.find(({ participant }) => !knownGuests.current.some((known) => known.participant === participant));
    knownGuests.current = guests;
    if (arrived !== undefined) {
      notify({ text: texts.guestWaits(inSentence(nameOf(arrived, texts))), isProblem: false });
    }
  }, [guests, texts, notify]);
  const isToldOfRecording = useRef(false);
  useEffect(() => {
    if (!isToldOfRecording.current && isRecording(room.snapshot.recording)) {
      notify({ text: texts.recordingRuns, isProblem: true });
    }
    isToldOfRecording.current = true;
  }, [room, texts, notify]);
}

/** Plays a sound when people come or go, one at a time. */
function useSounds(room: Room, isWanted: boolean): void {
  const isPlaying = useRef(false);
  const sound = (chime: Chime): void => {
    if (isWanted && !isPlaying.current) {
      isPlaying.current = true;
      // The browser may refuse: nobody misses it.
      play(chime, room.snapshot.speakerId)
        .catch(() => undefined)
        .finally(() => (isPlaying.current = false));
    }
  };
  useRoomEvent(room, "participant_joined", () => sound("joined"));
  useRoomEvent(room, "participant_left", () => sound("left"));
}

/** Shows a notice when the system interrupts a device, and when the device is back. */
function useNewsOfDevices({ microphone, camera }: RoomSnapshot, texts: Texts, notify: (notice: Notice) => void): void {
  const before = useRef({ microphone: false, camera: false });
  useEffect(() => {
    const now = { microphone: microphone.interrupted, camera: camera.interrupted };
    for (const kind of ["microphone", "camera"] as const) {
      if (now[kind] !== before.current[kind]) {
        const isBack = !now[kind] && { microphone, camera }[kind].on;
        const text = now[kind] ? texts.interrupted[kind] : isBack ? texts.resumed[kind] : null;
        if (text !== null) {
          notify({ text, isProblem: now[kind] });
        }
      }
    }
    before.current = now;
  }, [microphone, camera, texts, notify]);
}
