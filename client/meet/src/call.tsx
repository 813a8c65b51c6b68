/** The call: everybody's tile or a screen, the bar, and what needs to be said. */
import type { Room, RoomSnapshot } from "@rotunda/client";
import { RoomSound, ViewOf, useChat, useReactions, useRoom, useRoomEvent } from "@rotunda/react";
import { useEffect, useRef, useState } from "react";
import { Bar } from "./bar";
import type { PanelName } from "./bar";
import { ChatPanel } from "./chat-panel";
import { inSentence, isolated, nameOf } from "./names";
import { People } from "./people";
import { usePreferences } from "./preferences";
import { Reactions } from "./reactions";
import { RecordingBadge, isRecording } from "./recordings";
import { Settings } from "./settings";
import { Stage } from "./stage";
import type { Texts } from "./texts";
import { useTitle } from "./title";
import { useActions } from "./use-actions";
import type { Notice } from "./use-notices";
import { useNotices } from "./use-notices";
import { useShortcuts } from "./use-shortcuts";

interface Props {
  readonly room: Room;
  /** The room's name, for the invitation. */
  readonly name: string;
}

/** So much of a message is read in passing. */
const GLANCE_LENGTH = 140;

export function Call({ room, name }: Props) {
  const { texts } = usePreferences();
  const snapshot = useRoom(room);
  const [notice, notify] = useNotices(room, texts);
  const [panel, setPanel] = useState<PanelName | null>(null);
  const chat = useChat(room, panel === "chat");
  // Kept here, so that closing the chat loses no half-written message.
  const [draft, setDraft] = useState("");
  const reactions = useReactions(room);
  const actions = useActions(room, texts, notify);
  const open = usePanelFocus(panel, setPanel);
  const mayModerate = snapshot.self?.grants.moderate ?? false;
  const mayChat = snapshot.self?.grants.chat ?? false;

  useTitle(name, chat.unread);
  useNewsOfPeople(room, panel, texts, notify);
  useNewsOfDevices(snapshot, texts, notify);
  useShortcuts({
    ...(snapshot.publishes ? { m: actions.microphone, v: actions.camera, s: actions.screen } : {}),
    ...(mayChat ? { h: actions.hand } : {}),
    c: () => open("chat"),
    p: () => open("people"),
    Escape: () => setPanel(null),
  });
  const close = (): void => setPanel(null);
  return (
    <div className="call">
      <a className="skip" href="#bar">
        {texts.skipToBar}
      </a>
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
        <RecordingBadge recording={snapshot.recording} />
        <RoomSound tracks={snapshot.audioTracks} speakerId={snapshot.speakerId} unblockLabel={texts.soundOn} />
        <p className={notice?.isProblem === true ? "notice problem" : "notice"} role="status" data-empty={notice === null}>
          {notice?.text}
        </p>
      </div>
      <div className="middle">
        <ViewOf room={room} order={snapshot.participants.map(({ id }) => id)}>
          <Stage room={room} snapshot={snapshot} actions={mayModerate ? actions : null} onStop={actions.screen} />
        </ViewOf>
        {panel === "chat" ? (
          <ChatPanel chat={chat} draft={mayChat ? { text: draft, set: setDraft } : null} notify={notify} onClose={close} />
        ) : null}
        {panel === "people" ? (
          <People room={room} snapshot={snapshot} actions={mayModerate ? actions : null} onClose={close} />
        ) : null}
        {panel === "settings" ? <Settings room={room} snapshot={snapshot} notify={notify} onClose={close} /> : null}
      </div>
      <Reactions shown={reactions} snapshot={snapshot} />
      <Bar snapshot={snapshot} name={name} panel={panel} unread={chat.unread} actions={actions} onPanel={open} />
    </div>
  );
}

/** Opens a panel, or closes it; then the focus is back where it was. */
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

/** Tells of guests who wait, of messages and hands while nobody looks at them, and of a recording that runs when the user comes. */
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

/** Tells when the system takes a device away for the moment, and when it is back. */
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
