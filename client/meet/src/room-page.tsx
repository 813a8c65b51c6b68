/** A room's page: the lobby, then the call, then how it ended. */
import type { JoinOptions, RoomError } from "@rotunda/client";
import { Room, RoomError as RoomFailure, roomUrl } from "@rotunda/client";
import type { ReactNode } from "react";
import { useCallback, useEffect, useRef, useState } from "react";
import { Call } from "./call";
import { fetchToken, rememberName, rememberedName } from "./identity";
import { Lobby } from "./lobby";
import { useTexts } from "./preferences";
import { Recordings } from "./recordings";
import type { Options } from "./route";
import { errorText } from "./texts";

declare global {
  interface Window {
    /** The call, for tests and for the curious. */
    rotunda?: Room;
  }
}

type Stage =
  | { readonly at: "lobby"; readonly error: RoomError | null }
  | { readonly at: "joining" }
  | { readonly at: "call"; readonly room: Room }
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
  const lastToken = useRef<string | null>(null);

  const join = useCallback(
    async (name: string, tracks: Tracks) => {
      setStage({ at: "joining" });
      try {
        // A token from elsewhere cannot be renewed here.
        const renew = async (): Promise<string> => (lastToken.current = await fetchToken(room, name, options));
        lastToken.current = options.token;
        const token = options.token ?? renew;
        const call = await Room.join({ ...joinOptions(room, options), ...tracks, token });
        window.rotunda = call;
        call.on("ended", (error) => setStage({ at: "ended", error }));
        setStage({ at: "call", room: call });
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
      return <Call room={stage.room} name={room} />;
    case "ended":
      return (
        <Ended error={stage.error} onRejoin={() => setStage({ at: "lobby", error: null })} onHome={() => go("/")}>
          {lastToken.current === null ? null : <Recordings room={room} token={lastToken.current} />}
        </Ended>
      );
  }
}

function joinOptions(room: string, options: Options): Omit<JoinOptions, "token"> {
  return {
    url: roomUrl(location.origin, room),
    ...(options.cameraSize === null ? {} : { cameraSize: options.cameraSize }),
    ...(options.relay ? { iceTransportPolicy: "relay" } : {}),
  };
}

interface EndedProps {
  readonly error: RoomError | null;
  readonly onRejoin: () => void;
  readonly onHome: () => void;
  readonly children: ReactNode;
}

function Ended({ error, onRejoin, onHome, children }: EndedProps) {
  const texts = useTexts();
  return (
    <main className="page">
      <section className="card narrow" role={error === null ? undefined : "alert"}>
        <h1>{error === null ? texts.leftTitle : texts.overTitle}</h1>
        {error === null ? null : <p>{errorText(texts, error)}</p>}
        {isModerated(error) ? <p className="quiet">{texts.theirReason(error?.detail ?? "")}</p> : null}
        <div className="row">
          <button type="button" className="primary" onClick={onRejoin} autoFocus>
            {texts.joinAgain}
          </button>
          <button type="button" onClick={onHome}>
            {texts.home}
          </button>
        </div>
        {children}
      </section>
    </main>
  );
}

function isModerated(error: RoomError | null): boolean {
  return (error?.code === "kicked" || error?.code === "room_closed") && error.detail !== "";
}
