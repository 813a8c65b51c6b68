/** The list of people, raised hands first, with controls for moderators. */
import type { Participant, ParticipantId, Room, RoomSnapshot } from "@rotunda/client";
import { Avatar, trackOf } from "@rotunda/react";
import { useEffect } from "react";
import { Audience } from "./audience";
import { ConnectionDetails } from "./connection-details";
import { everybodyIn } from "./everybody";
import { CameraOffIcon, DotsIcon, MicrophoneOffIcon } from "./icons";
import { Menu } from "./menu";
import { Name } from "./name";
import { nameOf } from "./names";
import { Panel } from "./panel";
import { personItems } from "./person-items";
import { usePreferences, useTexts } from "./preferences";
import { percent } from "./units";
import type { Actions } from "./use-actions";
import type { Volumes } from "./use-volumes";

interface Props {
  readonly room: Room;
  readonly snapshot: RoomSnapshot;
  readonly volumes: Volumes;
  /** `null` if the user may not moderate. */
  readonly actions: Actions | null;
  /** `null` if the user may admit nobody. */
  readonly lobby: Actions | null;
  readonly onClose: () => void;
}

export function People({ room, snapshot, volumes, actions, lobby, onClose }: Props) {
  const texts = useTexts();
  const { hands, guests } = snapshot;
  const { setOpen } = volumes;
  useEffect(() => () => setOpen(null), [setOpen]);
  // Raised hands first, in the order they were raised.
  const place = ({ id }: Participant): number => (hands.includes(id) ? hands.indexOf(id) : hands.length);
  const inOrder = [...everybodyIn(snapshot)].sort((a, b) => place(a) - place(b));
  return (
    <Panel title={texts.inTheRoom} id="people-panel" onClose={onClose}>
      {lobby === null || guests.length === 0 ? null : <Waiting guests={guests} actions={lobby} />}
      <ul className="people" tabIndex={0} aria-label={texts.people}>
        {inOrder.map((participant) => (
          <li key={participant.id}>
            <Person room={room} snapshot={snapshot} participant={participant} volumes={volumes} actions={actions} />
          </li>
        ))}
      </ul>
      <Audience room={room} count={snapshot.audience} actions={actions} />
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

interface PersonProps extends Pick<Props, "room" | "snapshot" | "volumes" | "actions"> {
  readonly participant: Participant;
}

function Person({ room, snapshot, participant, volumes, actions }: PersonProps) {
  const { texts, locale } = usePreferences();
  const { id, isSelf, speaking, connection, hasHandUp, role } = participant;
  const { hands } = snapshot;
  // A single hand needs no number.
  const place = hands.length > 1 ? hands.indexOf(id) + 1 : null;
  const name = nameOf(participant, texts);
  const isOff = (source: "microphone" | "camera"): boolean => trackOf(participant, source)?.muted ?? true;
  return (
    <span className={speaking ? "person speaking" : "person"}>
      <Avatar id={id} name={name} locale={locale} />
      <span className="who" title={name}>
        <Name name={name} isSelf={isSelf} />
        {role === "host" || role === "cohost" ? <small> {texts.roles[role]}</small> : null}
        {connection === "reconnecting" ? <small> {texts.states.reconnecting}</small> : null}
      </span>
      {hasHandUp ? (
        <span role="img" aria-label={place === null ? texts.states.handUp : `${texts.states.handUp} (${place})`}>
          ✋{place === null ? null : <small>{place}</small>}
        </span>
      ) : null}
      <ConnectionDetails room={room} participant={participant} />
      {isOff("microphone") ? <MicrophoneOffIcon /> : null}
      {isOff("camera") ? <CameraOffIcon /> : null}
      {isSelf ? null : (
        <Menu className="plain" label={texts.actionsFor(name)} items={personItems(texts, { participant, name, actions, snapshot, onVolume: () => volumes.setOpen(volumes.open === id ? null : id) })}>
          <DotsIcon />
        </Menu>
      )}
      {volumes.open === id && !isSelf ? <VolumeSlider id={id} name={name} volumes={volumes} /> : null}
    </span>
  );
}

function VolumeSlider({ id, name, volumes }: { readonly id: ParticipantId; readonly name: string; readonly volumes: Volumes }) {
  const { texts, locale } = usePreferences();
  const volume = volumes.of.get(id) ?? 1;
  return (
    <span className="volume">
      <input
        type="range"
        min={0}
        max={100}
        step={5}
        value={Math.round(volume * 100)}
        autoFocus
        aria-label={texts.volumeOf(name)}
        onChange={(event) => volumes.set(id, event.target.valueAsNumber / 100)}
      />
      <output aria-hidden="true">{percent(volume, locale)}</output>
    </span>
  );
}
