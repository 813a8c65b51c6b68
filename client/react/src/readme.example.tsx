import { Room, roomUrl } from "@rotunda/client";
import { RoomSound, trackOf, useRoom, Video } from "@rotunda/react";

const url = roomUrl("https://rotunda.example.org", "daily");
export const join = (token: string) => Room.join({ url, token, microphone: true, camera: true });

export function Call({ room }: { room: Room }) {
  const { participants, audioTracks, speakerId } = useRoom(room);
  const cameras = participants.map((p) => ({ name: p.name, track: trackOf(p, "camera")?.media }));
  const tiles = cameras.map(({ name, track }) => track && <Video key={track.id} track={track} label={name} />);
  return <>{tiles}<RoomSound tracks={audioTracks} speakerId={speakerId} unblockLabel="Turn on sound" /></>;
}
