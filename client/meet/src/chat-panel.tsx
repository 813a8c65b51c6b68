/** The chat: messages and an input. */
import type { Message } from "@rotunda/client";
import type { Chat } from "@rotunda/react";
import type { Dispatch, FormEvent, KeyboardEvent, SetStateAction } from "react";
import { Fragment, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { SendIcon } from "./icons";
import { partsOf } from "./links";
import { Name } from "./name";
import { nameOf } from "./names";
import { Panel } from "./panel";
import { usePreferences } from "./preferences";
import { errorText } from "./texts";
import type { Notice } from "./use-notices";
import { isComposing, isTooLong, textToSend } from "./writing";

export interface Draft {
  readonly text: string;
  readonly set: Dispatch<SetStateAction<string>>;
}

interface Props {
  readonly chat: Chat;
  /** The unsent input; `null` if the user may not write. */
  readonly draft: Draft | null;
  readonly notify: (notice: Notice) => void;
  readonly onClose: () => void;
}

/** Messages of one author within this time share a heading. */
const GROUP_MS = 5 * 60_000;
/** A distance from the end that still counts as the end. */
const END_PX = 40;

export function ChatPanel({ chat, draft, notify, onClose }: Props) {
  const { texts } = usePreferences();
  const { list, messages, scrolled, hasNews, toEnd } = useReading(chat.messages);
  return (
    <Panel title={texts.chat} id="chat-panel" onClose={onClose}>
      {messages.length === 0 ? <p className="quiet chat-empty">{texts.chatEmpty}</p> : null}
      <div className="messages" role="log" aria-label={texts.chat} tabIndex={0} ref={list} onScroll={scrolled}>
        {messages.map((message, index) => (
          <Line key={message.id} message={message} before={messages[index - 1] ?? null} />
        ))}
      </div>
      {hasNews ? (
        <button type="button" className="news-below" onClick={toEnd}>
          {texts.newMessages}
        </button>
      ) : null}
      {draft === null ? null : <Writer chat={chat} draft={draft} notify={notify} />}
    </Panel>
  );
}

/** Messages shown at most, to a user who reads for so long that the room has forgotten the first ones. */
const SHOWN_MAX = 1_000;

/** The messages to show: those of the room, after the earlier ones that it has forgotten since. */
export function withForgotten(shown: readonly Message[], messages: readonly Message[]): readonly Message[] {
  const first = messages.find(({ number }) => number !== null)?.number ?? null;
  const forgotten = first === null ? [] : shown.filter(({ number }) => number !== null && number < first);
  return forgotten.length === 0 ? messages : [...forgotten, ...messages].slice(-SHOWN_MAX);
}

/**
 * Scrolls with new messages while the user is at the end; a user who has scrolled up stays there and sees that there is
 * more. Nothing is taken away above them: what they read would move, and at the very start nothing can make up for it.
 */
function useReading(ofRoom: readonly Message[]) {
  const list = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const [isReadingUp, setReadingUp] = useState(false);
  const [hasNews, setNews] = useState(false);
  const messages = useShown(ofRoom, isReadingUp);
  const noteEnd = (is: boolean): void => {
    isAtEnd.current = is;
    setReadingUp(!is);
    setNews((had) => had && !is);
  };
  const toEnd = (): void => {
    list.current?.scrollTo({ top: list.current.scrollHeight });
    noteEnd(true);
  };
  const scrolled = (): void => {
    if (list.current !== null) {
      const { scrollHeight, scrollTop, clientHeight } = list.current;
      noteEnd(scrollHeight - scrollTop - clientHeight < END_PX);
    }
  };
  // Not the number of messages, which stays the same once the room keeps no more.
  const newest = messages.findLast(({ number }) => number !== null)?.number ?? 0;
  const last = messages.at(-1);
  const written = last?.number === null ? last.id : null;
  const known = useRef({ newest, written });
  useLayoutEffect(() => {
    const before = known.current;
    known.current = { newest, written };
    if (isAtEnd.current || (written !== null && written !== before.written)) {
      toEnd();
    } else if (newest > before.newest) {
      setNews(true);
    }
  }, [newest, written]);
  return { list, messages, scrolled, hasNews, toEnd };
}

function useShown(ofRoom: readonly Message[], isReadingUp: boolean): readonly Message[] {
  const [{ before, shown }, setShown] = useState({ before: ofRoom, shown: ofRoom });
  if (before === ofRoom) {
    return shown;
  }
  const next = isReadingUp ? withForgotten(shown, ofRoom) : ofRoom;
  setShown({ before: ofRoom, shown: next });
  return next;
}

function Line({ message, before }: { message: Message; before: Message | null }) {
  const { texts, locale } = usePreferences();
  const { participant, isSelf, sentAt, text } = message;
  const isSame = before?.participant === participant && (sentAt ?? 0) - (before.sentAt ?? 0) < GROUP_MS;
  const time = sentAt === null ? texts.sending : new Date(sentAt).toLocaleTimeString(locale, { timeStyle: "short" });
  const shown = nameOf(message, texts);
  const parts = useMemo(() => partsOf(text), [text]);
  return (
    <div className={`message${isSelf ? " own" : ""}${sentAt === null ? " pending" : ""}`}>
      {isSame && sentAt !== null ? null : (
        <p className="author">
          <strong>
            <Name name={shown} isSelf={isSelf} />
          </strong>{" "}
          <small>{time}</small>
        </p>
      )}
      <p className="text" dir="auto" translate="yes">
        {parts.map(({ text: part, isLink }, index) =>
          isLink ? (
            <a key={index} href={part} target="_blank" rel="noopener noreferrer">
              {part}
            </a>
          ) : (
            <Fragment key={index}>{part}</Fragment>
          ),
        )}
      </p>
    </div>
  );
}

function Writer({ chat, draft: { text, set: setText }, notify }: Pick<Props, "chat" | "notify"> & { draft: Draft }) {
  const { texts } = usePreferences();
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    box.current?.focus();
  }, []);
  const written = textToSend(text);
  const isLong = isTooLong(written);
  const send = (event: FormEvent): void => {
    event.preventDefault();
    if (written === "" || isLong) {
      return;
    }
    setText("");
    chat.send(written).catch((error: unknown) => {
      // Restores a message that the room refused.
      setText((now) => (now === "" ? written : now));
      notify({ text: errorText(texts, error), isProblem: true });
    });
  };
  const pressed = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && !event.shiftKey && !isComposing(event.nativeEvent)) {
      send(event);
    }
  };
  return (
    <>
      {isLong ? (
        <p className="hint problem" role="alert">
          {texts.messageTooLong}
        </p>
      ) : null}
      <form className="writer" onSubmit={send}>
        <textarea
          ref={box}
          rows={2}
          value={text}
          aria-label={texts.chatWrite}
          dir="auto"
          aria-invalid={isLong}
          placeholder={texts.chatWrite}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={pressed}
        />
        <button type="submit" className="round primary" aria-label={texts.send} title={texts.send} disabled={written === "" || isLong}>
          <SendIcon />
        </button>
      </form>
    </>
  );
}
