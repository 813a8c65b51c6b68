/** The list of people, raised hands first, with controls for moderators. */
import type { Participant, Room, RoomSnapshot } from "@rotunda/client";
import { Avatar, trackOf } from "@rotunda/react";
import { ConnectionDetails } from "./connection-details";
import { CameraOffIcon, MicrophoneOffIcon } from "./icons";
import { nameOf } from "./names";
import { Panel } from "./panel";
import { usePreferences, useTexts } from "./preferences";
import type { Actions } from "./use-actions";

interface Props {
  readonly room: Room;
  readonly snapshot: RoomSnapshot;
  /** Nothing where the user may not moderate. */
  readonly actions: Actions | null;
  readonly onClose: () => void;
}

export function People({ room, snapshot: { self, participants, hands, guests }, actions, onClose }: Props) {
  const texts = useTexts();
  const everybody = self === null ? participants : [self, ...participants];
  // Raised hands first, in the order they were raised.
  const place = ({ id }: Participant): number => (hands.includes(id) ? hands.indexOf(id) : hands.length);
  const inOrder = [...everybody].sort((a, b) => place(a) - place(b));
  return (
    <Panel title={texts.inTheRoom} id="people-panel" onClose={onClose}>
      {actions === null || guests.length === 0 ? null : <Waiting guests={guests} actions={actions} />}
      <ul className="people" tabIndex={0} aria-label={texts.people}>
        {inOrder.map((participant) => (
          <li key={participant.id}>
            <Person room={room} participant={participant} />
            {actions === null || participant.isSelf ? null : <HostButtons participant={participant} actions={actions} />}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function Waiting({ guests, actions }: { guests: RoomSnapshot["guests"]; actions: Actions }) {
  const { texts, locale } = usePreferences();
  return (
    <section aria-label={texts.guestsWaiting}>
      <h3>{texts.guestsWaiting}</h3>
      <ul className="people">
        {guests.map((guest) => {
          const name = nameOf(guest, texts);
          return (
            <li key={guest.participant}>
              <span className="person">
                <Avatar id={guest.participant} name={name} locale={locale} />
                <span className="who" title={name}>
                  <bdi>{name}</bdi>
                </span>
              </span>
              <span className="host-buttons">
                <button type="button" aria-label={texts.admitName(name)} onClick={() => actions.admit(guest.participant)}>
                  {texts.admit}
                </button>
                <button type="button" aria-label={texts.refuseName(name)} onClick={() => actions.refuse(guest.participant)}>
                  {texts.refuse}
                </button>
              </span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function Person({ room, participant }: { room: Room; participant: Participant }) {
  const { texts, locale } = usePreferences();
  const { id, isSelf, speaking, connection, hasHandUp } = participant;
  const name = nameOf(participant, texts);
  const isOff = (source: "microphone" | "camera"): boolean => trackOf(participant, source)?.muted ?? true;
  return (
    <span className={speaking ? "person speaking" : "person"}>
      <Avatar id={id} name={name} locale={locale} />
      <span className="who" title={name}>
        <bdi>{isSelf ? texts.you(name) : name}</bdi>
        {connection === "reconnecting" ? <small> {texts.states.reconnecting}</small> : null}
      </span>
      {hasHandUp ? (
        <span role="img" aria-label={texts.states.handUp}>
          ✋
        </span>
      ) : null}
      <ConnectionDetails room={room} participant={participant} />
      {isOff("microphone") ? <MicrophoneOffIcon /> : null}
      {isOff("camera") ? <CameraOffIcon /> : null}
    </span>
  );
}

function HostButtons({ participant, actions }: { participant: Participant; actions: Actions }) {
  const texts = useTexts();
  const name = nameOf(participant, texts);
  const canBeMuted = trackOf(participant, "microphone")?.muted === false;
  return (
    <span className="host-buttons">
      {canBeMuted ? (
        <button type="button" aria-label={texts.muteName(name)} onClick={() => actions.mute(participant)}>
          {texts.mute}
        </button>
      ) : null}
      <button type="button" className="danger" aria-label={texts.removeName(name)} onClick={() => actions.remove(participant)}>
        {texts.remove}
      </button>
    </span>
  );
}
