/** A shared screen, large or beside the large tile. */
import { Video, trackOf } from "@rotunda/react";
import type { CSSProperties } from "react";
import { useRef } from "react";
import { ExpandIcon, PinIcon, ScreenIcon } from "./icons";
import { nameOf } from "./names";
import { useTexts } from "./preferences";
import type { TileProps } from "./tile-props";

export function Screen({ participant, isLarge, isPinned, style, onPin }: TileProps) {
  const texts = useTexts();
  const element = useRef<HTMLElement>(null);
  const track = trackOf(participant, "screen");
  const name = nameOf(participant, texts);
  const label = texts.screenOf(name);
  const expand = (): void => {
    const done = document.fullscreenElement === null ? element.current?.requestFullscreen() : document.exitFullscreen();
    // If the browser refuses, the page stays as it is.
    done?.catch(() => undefined);
  };
  const identity = isLarge ? { "data-screen": participant.id } : { "data-small-screen": participant.id };
  return (
    <section ref={element} className={isLarge ? "screen" : "screen small"} style={style} aria-label={label} {...identity}>
      {track === null || track.media === null ? null : <Video track={track.media} label={label} whole />}
      {track?.paused === true ? <p className="away">{texts.videoPaused}</p> : null}
      {track?.undecodable === true ? <p className="away">{texts.videoUndecodable}</p> : null}
      {isLarge ? null : <button type="button" className="cover" aria-label={texts.showScreenOf(name)} title={texts.showScreenOf(name)} onClick={onPin} />}
      <p className="caption">
        <bdi>{label}</bdi>
      </p>
      {isPinned ? (
        <div className="corner">
          <button type="button" className="dots pin pinned" aria-label={texts.unpinScreenOf(name)} title={texts.unpinScreenOf(name)} onClick={onPin}>
            <PinIcon />
          </button>
        </div>
      ) : null}
      {isLarge && document.fullscreenEnabled ? (
        <button type="button" className="dots expand" aria-label={texts.fullScreen} title={texts.fullScreen} onClick={expand}>
          <ExpandIcon />
        </button>
      ) : null}
    </section>
  );
}

/** In place of the user's own screen, which would be an endless mirror. */
export function OwnScreen({ style, onStop }: { readonly style: CSSProperties; readonly onStop: () => void }) {
  const texts = useTexts();
  return (
    <section className="screen own-screen" style={style} aria-label={texts.youShare}>
      <ScreenIcon />
      <p>{texts.youShare}</p>
      <button type="button" className="primary" onClick={onStop}>
        {texts.stopScreen}
      </button>
    </section>
  );
}
