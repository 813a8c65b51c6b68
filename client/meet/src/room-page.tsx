/** A room's page: the lobby, then the call, then how it ended. */
import type { JoinOptions, RoomError } from "@rotunda/client";
import { Room, RoomError as RoomFailure, roomUrl } from "@rotunda/client";
import { useCallback, useEffect, useRef, useState } from "react";
import { Call } from "./call";
import { fetchToken, rememberName, rememberedName } from "./identity";
import { Lobby } from "./lobby";
import type { Options } from "./route";

declare global {
  interface Window {
    /** The call, for tests and for the curious. */
    rotunda?: Room;
  }
}

type Stage =
  | { readonly at: "lobby"; readonly error: RoomError | null }
  | { readonly at: "joining" }
  | { readonly at: "call"; readonly room: Room; readonly token: string | null }
  | { readonly at: "ended"; readonly error: RoomError | null };

/** What the lobby hands over. */
export type Tracks = Pick<JoinOptions, "microphone" | "camera">;

interface Props {
  readonly room: string;
  readonly options: Options;
  readonly go: (path: string) => void;
}

/** One room, from before to after. */
export function RoomPage({ room, options, go }: Props) {
  const [stage, setStage] = useState<Stage>({ at: options.auto ? "joining" : "lobby", error: null });
  const started = useRef(false);

  const join = useCallback(
    async (name: string, tracks: Tracks) => {
      setStage({ at: "joining" });
      try {
        let token: string | null = null;
        const renew = async (): Promise<string> => (token = await fetchToken(room, name, options));
        const call = await Room.join({ ...joinOptions(room, options), ...tracks, token: renew });
        window.rotunda = call;
        call.on("ended", (error) => setStage({ at: "ended", error }));
        setStage({ at: "call", room: call, token });
      } catch (error) {
        setStage({ at: "lobby", error: error instanceof RoomFailure ? error : new RoomFailure("internal", String(error)) });
      }
    },
    [room, options],
  );

  useEffect(() => {
    document.title = `${room} · Rotunda`;
    if (options.auto && !started.current) {
      started.current = true;
      void join(options.name ?? rememberedName(), { microphone: options.microphone, camera: options.camera });
    }
  }, [room, options, join]);

  switch (stage.at) {
    case "lobby":
    case "joining":
      return (
        <Lobby
          room={room}
          options={options}
          error={stage.at === "lobby" ? stage.error : null}
          joining={stage.at === "joining"}
          onJoin={(name, tracks) => {
            rememberName(name);
            void join(name, tracks);
          }}
        />
      );
    case "call":
      return <Call room={stage.room} name={room} token={stage.token} />;
    case "ended":
      return <Ended error={stage.error} onRejoin={() => setStage({ at: "lobby", error: null })} onHome={() => go("/")} />;
  }
}

function joinOptions(room: string, options: Options): Omit<JoinOptions, "token"> {
  return {
    url: roomUrl(location.origin, room),
    ...(options.cameraSize === null ? {} : { cameraSize: options.cameraSize }),
    ...(options.relay ? { iceTransportPolicy: "relay" } : {}),
  };
}

function Ended({ error, onRejoin, onHome }: { error: RoomError | null; onRejoin: () => void; onHome: () => void }) {
  return (
    <main className="page">
      <section className="card narrow" role={error === null ? undefined : "alert"}>
        <h1>{error === null ? "You left the room" : "The call is over"}</h1>
        {error === null ? null : <p>{error.words}</p>}
        {error?.code === "kicked" && error.detail !== "" ? <p className="quiet">Their reason: {error.detail}</p> : null}
        <div className="row">
          <button type="button" className="primary" onClick={onRejoin} autoFocus>
            Join again
          </button>
          <button type="button" onClick={onHome}>
            Home
          </button>
        </div>
      </section>
    </main>
  );
}
