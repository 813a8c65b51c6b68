/** A call with everything that a page needs for one: a form, the tiles, the sound, a way out. */
import type { Participant } from "@rotunda/client";
import { Room, roomUrl } from "@rotunda/client";
import { RoomSound, TileGrid, trackOf, useRoom, Video } from "@rotunda/react";
import type { FormEvent } from "react";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

function App() {
  const [room, setRoom] = useState<Room | null>(null);
  return <main>{room === null ? <Entrance onJoined={setRoom} /> : <Call room={room} onLeft={() => setRoom(null)} />}</main>;
}

/** Your application would know all three, and request the token from its own server. */
function Entrance({ onJoined }: { onJoined: (room: Room) => void }) {
  const [problem, setProblem] = useState("");
  const join = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const field = (name: string): string => String(form.get(name));
    Room.join({ url: roomUrl(field("edge"), field("room")), token: field("token"), microphone: true, camera: true })
      .then(onJoined, (error: Error) => setProblem(error.message));
  };
  return (
    <form onSubmit={join}>
      <label>Deployment <input name="edge" type="url" required defaultValue="http://localhost:8787" /></label>
      <label>Room <input name="room" required defaultValue="daily" /></label>
      <label>Token <input name="token" required /></label>
      <button id="join">Join</button>
      <output>{problem}</output>
    </form>
  );
}

function Call({ room, onLeft }: { room: Room; onLeft: () => void }) {
  const { self, participants, audioTracks, speakerId, error, connection } = useRoom(room);
  const leave = (): void => void room.leave().then(onLeft);
  if (connection === "ended") {
    return <p>{error?.message ?? "You left."} <button onClick={onLeft}>Back</button></p>;
  }
  return (
    <>
      <TileGrid
        items={self === null ? participants : [...participants, self]}
        keyOf={({ id }) => id}
        tile={(person, style) => <Tile person={person} style={style} />}
      />
      <RoomSound tracks={audioTracks} speakerId={speakerId} unblockLabel="Turn on sound" />
      <button id="leave" onClick={leave}>Leave</button>
    </>
  );
}

function Tile({ person, style }: { person: Participant; style: { height: number; gridColumn: string } }) {
  const camera = trackOf(person, "camera");
  return (
    <figure style={style} data-participant={person.id}>
      {camera?.media ? <Video track={camera.media} label={person.name} mirrored={person.isSelf} /> : person.name}
    </figure>
  );
}

const root = document.getElementById("root");
if (root !== null) {
  createRoot(root).render(<StrictMode><App /></StrictMode>);
}
