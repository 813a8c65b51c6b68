/** The demo of discovery: a broadcaster, its receivers, and a log. Media flows directly between them. */
import type { ParticipantId, Peers } from "@rotunda/client";
import { Room, randomId, roomUrl } from "@rotunda/client";
import { useEffect, useRef, useState } from "react";
import { guestToken } from "./identity";
import { useTexts } from "./preferences";
import type { DemoOptions } from "./route";
import { useTitle } from "./title";

/** Lines of the log that are shown. */
const LINES_MAX = 200;

declare global {
  interface Window {
    /** The demo's connections, for tests and debugging. */
    peers?: Peers;
    demoRoom?: Room;
  }
}

export function DemoBroadcast({ room, role: given }: DemoOptions) {
  const texts = useTexts();
  const [role, setRole] = useState(given);
  useTitle(texts.demo.title);
  return (
    <main className="page">
      <section className="card">
        <h1>{texts.demo.title}</h1>
        <p>{texts.demo.explanation}</p>
        {role === null ? (
          <div className="row">
            <button type="button" className="primary" onClick={() => setRole("broadcaster")}>
              {texts.demo.broadcast}
            </button>
            <button type="button" onClick={() => setRole("receiver")}>
              {texts.demo.watch}
            </button>
          </div>
        ) : (
          <Running room={room} role={role} />
        )}
      </section>
    </main>
  );
}

function Running({ room, role }: { readonly room: string; readonly role: "broadcaster" | "receiver" }) {
  const texts = useTexts();
  const { log, stream, receivers } = useDemo(room, role);
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    // Its result may be a promise, which is no cleanup.
    void list.current?.lastElementChild?.scrollIntoView({ block: "nearest" });
  }, [log]);
  return (
    <>
      <video ref={(element) => void show(element, stream)} autoPlay playsInline muted aria-label={texts.demo.picture} />
      <p role="status">{role === "broadcaster" ? texts.demo.watching(receivers.length) : stream === null ? texts.demo.nobody : texts.demo.receiving}</p>
      <h2>{texts.demo.log}</h2>
      <ol ref={list} aria-live="off">
        {log.map(({ id, text }) => (
          <li key={id}>
            <bdi>{text}</bdi>
          </li>
        ))}
      </ol>
    </>
  );
}

function show(element: HTMLVideoElement | null, stream: MediaStream | null): void {
  if (element !== null && element.srcObject !== stream) {
    element.srcObject = stream;
  }
}

interface Line {
  readonly id: number;
  readonly text: string;
}

/** Joins the room without media of its own there, and broadcasts or receives until the page goes. */
function useDemo(room: string, role: "broadcaster" | "receiver") {
  const [log, setLog] = useState<readonly Line[]>([]);
  const [stream, setStream] = useState<MediaStream | null>(null);
  const [receivers, setReceivers] = useState<readonly ParticipantId[]>([]);
  useEffect(() => {
    const gone = new AbortController();
    let lines = 0;
    const say = (text: string): void => {
      lines += 1;
      const line = { id: lines, text: `${new Date().toLocaleTimeString()} ${text}` };
      setLog((before) => [...before, line].slice(-LINES_MAX));
    };
    const run = async (): Promise<void> => {
      const own = role === "broadcaster" ? await navigator.mediaDevices.getUserMedia({ video: true, audio: true }) : null;
      gone.signal.addEventListener("abort", () => own?.getTracks().forEach((track) => track.stop()));
      const name = `${role}-${randomId().slice(0, 4)}`;
      const call = await Room.join({ url: roomUrl(location.origin, room), token: () => guestToken(room, name), publish: false, signal: gone.signal });
      window.demoRoom = call;
      const peers = (window.peers = await call.openPeers());
      gone.signal.addEventListener("abort", () => {
        peers.close();
        void call.leave();
      });
      say(`${call.self?.id ?? ""}: ${role}`);
      peers.on("log", say);
      peers.on("stream", ({ stream: received }) => setStream(received));
      peers.on("receivers", setReceivers);
      if (own === null) {
        peers.receive();
      } else {
        setStream(own);
        peers.broadcast(own);
      }
    };
    run().catch((error: unknown) => say(String(error)));
    return () => gone.abort();
  }, [room, role]);
  return { log, stream, receivers };
}
