/** A room's page: the lobby, then the call, then the reason it ended. */
import type { JoinOptions, RoomError } from "@rotunda/client";
import { Room, RoomError as RoomFailure, roomUrl } from "@rotunda/client";
import type { Captures } from "@rotunda/react";
import { useCaptures } from "@rotunda/react";
import type { ReactNode } from "react";
import { useCallback, useEffect, useRef, useState } from "react";
import { Call } from "./call";
import { rememberedDevice, startOf, useRememberedSwitches } from "./device-memory";
import type { WaitingFor } from "./identity";
import { givenToken, guestToken, loginPage, rememberName, rememberedName, waitInLobby } from "./identity";
import { Lobby } from "./lobby";
import { nameToSend } from "./names";
import { useTexts } from "./preferences";
import { Recordings } from "./recordings";
import type { Options } from "./route";
import { errorText } from "./texts";
import { useTitle } from "./title";

declare global {
  interface Window {
    /** The call, for tests and debugging. */
    rotunda?: Room;
  }
}

type Stage =
  | { readonly at: "lobby"; readonly error: RoomError | null }
  | { readonly at: "joining"; readonly waitingFor: WaitingFor | null }
  | { readonly at: "call"; readonly room: Room }
  | { readonly at: "ended"; readonly error: RoomError | null };

const JOINING: Stage = { at: "joining", waitingFor: null };

interface Props {
  readonly room: string;
  readonly options: Options;
  readonly go: (path: string) => void;
}

export function RoomPage({ room, options, go }: Props) {
  const [stage, setStage] = useState<Stage>(options.auto ? JOINING : { at: "lobby", error: null });
  const captures = useCaptures(
    { microphone: startOf("microphone", options), camera: startOf("camera", options) },
    stage.at === "lobby",
  );
  useRememberedSwitches(captures);
  // The call shows the number of unread messages there.
  useTitle(stage.at === "call" ? undefined : room);
  const { join, token } = useJoin({ room, options, captures, setStage });
  const started = useRef(false);

  useEffect(() => {
    // An unreachable deployment is reported when the user joins.
    const login = loginPage(room).catch(() => null);
    void login.then((page) => (page === null ? undefined : location.assign(page)));
  }, [room]);

  useEffect(() => {
    if (options.auto && !started.current) {
      started.current = true;
      void join(options.name ?? rememberedName());
    }
  }, [options, join]);

  switch (stage.at) {
    case "lobby":
    case "joining":
      return (
        <Lobby
          room={room}
          options={options}
          captures={captures}
          error={stage.at === "lobby" ? stage.error : null}
          joining={stage.at === "joining"}
          waitingFor={stage.at === "joining" ? stage.waitingFor : null}
          onJoin={(name) => {
            rememberName(name);
            void join(name);
          }}
        />
      );
    case "call":
      return <Call room={stage.room} name={room} />;
    case "ended":
      return (
        <Ended error={stage.error} onRejoin={() => setStage({ at: "lobby", error: null })} onHome={() => go("/")}>
          {token.current === null ? null : <Recordings room={room} token={token.current} />}
        </Ended>
      );
  }
}

interface Joining {
  readonly room: string;
  readonly options: Options;
  readonly captures: Captures;
  readonly setStage: (stage: Stage) => void;
}

/** Joins, and leaves when the page goes: by Back, by a crash, or during the join. */
function useJoin({ room, options, captures, setStage }: Joining) {
  const token = useRef<string | null>(null);
  const call = useRef<Room | null>(null);
  const joining = useRef<AbortController | null>(null);
  const join = useCallback(
    async (name: string) => {
      const controller = (joining.current = new AbortController());
      setStage(JOINING);
      try {
        // A token from elsewhere cannot be renewed here.
        const guest = async (): Promise<string> => (token.current = await guestToken(room, nameToSend(name)));
        token.current = givenToken(room);
        if (token.current === null) {
          await waitInLobby(room, nameToSend(name), controller.signal, (waitingFor) =>
            setStage({ at: "joining", waitingFor }),
          );
        }
        const joined = await Room.join({
          ...joinOptions(room, options),
          ...captures,
          token: token.current ?? guest,
          signal: controller.signal,
        });
        call.current = window.rotunda = joined;
        joined.on("ended", (error) => setStage({ at: "ended", error }));
        setStage({ at: "call", room: joined });
      } catch (error) {
        if (!controller.signal.aborted) {
          setStage({ at: "lobby", error: error instanceof RoomFailure ? error : new RoomFailure("internal", String(error)) });
        }
      }
    },
    [room, options, captures, setStage],
  );
  useEffect(
    () => () => {
      joining.current?.abort();
      void call.current?.leave();
    },
    [],
  );
  return { join, token };
}

function joinOptions(room: string, options: Options): Omit<JoinOptions, "token"> {
  return {
    url: roomUrl(location.origin, room),
    speakerId: rememberedDevice("speaker"),
    ...(options.relay ? { iceTransportPolicy: "relay" } : {}),
    ...(options.codec === null ? {} : { preferCodec: options.codec }),
    ...(options.profile === null ? {} : { profile: options.profile }),
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
        {isModerated(error) ? (
          <p className="quiet">
            <bdi>{texts.theirReason(error?.detail ?? "")}</bdi>
          </p>
        ) : null}
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
