/** Picture-in-picture: one small window over other programs, with the screen or the person that matters most. */
import type { RoomSnapshot } from "@rotunda/client";
import { trackOf } from "@rotunda/react";
import { useCallback, useEffect, useRef, useState } from "react";
import type { Arrangement, Item } from "./arrangement";

export interface Picture {
  readonly isSupported: boolean;
  readonly isOpen: boolean;
  readonly toggle: () => void;
}

/** The item to show: the large one, else the first other person with a picture. */
export function pictured({ tiles }: Arrangement, self: string | null, hasPicture: (item: Item) => boolean): Item | null {
  const [first] = tiles;
  const others = tiles.map(({ item }) => item).filter(({ id }) => id !== self);
  const large = first?.isLarge === true ? [first.item] : [];
  return [...large, ...others].find(hasPicture) ?? null;
}

/** Only tiles on screen are candidates: no other camera is received. */
export function usePicture({ self, participants }: RoomSnapshot, arrangement: Arrangement): Picture {
  const [isOpen, setOpen] = useState(false);
  const video = useRef<HTMLVideoElement | null>(null);
  const trackFor = ({ kind, id }: Item): MediaStreamTrack | null => {
    const participant = participants.find((one) => one.id === id) ?? null;
    const track = participant === null ? null : trackOf(participant, kind === "screen" ? "screen" : "camera");
    return track === null || track.muted || track.undecodable ? null : track.media;
  };
  const item = pictured(arrangement, self?.id ?? null, (candidate) => trackFor(candidate) !== null);
  const track = item === null ? null : trackFor(item);
  const isSupported = document.pictureInPictureEnabled && track !== null;
  useEffect(() => {
    if (isOpen && video.current !== null && track !== null) {
      show(video.current, track);
    }
  }, [isOpen, track]);
  useEffect(() => () => void close(video.current), []);
  const toggle = useCallback(() => {
    if (video.current !== null && document.pictureInPictureElement === video.current) {
      void close(video.current);
    } else if (track !== null) {
      video.current ??= makeVideo(() => setOpen(false));
      const element = video.current;
      show(element, track);
      // Without metadata the browser refuses; if it refuses anyway, the page stays as it is.
      const opened = element.play().then(() => element.requestPictureInPicture());
      opened.then(
        () => setOpen(true),
        () => undefined,
      );
    }
  }, [track]);
  return { isSupported: isSupported || isOpen, isOpen, toggle };
}

function makeVideo(onClosed: () => void): HTMLVideoElement {
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.addEventListener("leavepictureinpicture", () => {
    video.srcObject = null;
    onClosed();
  });
  return video;
}

function show(video: HTMLVideoElement, track: MediaStreamTrack): void {
  const shown = video.srcObject instanceof MediaStream ? video.srcObject.getVideoTracks()[0] : undefined;
  if (shown !== track) {
    video.srcObject = new MediaStream([track]);
    void video.play().catch(() => undefined);
  }
}

async function close(video: HTMLVideoElement | null): Promise<void> {
  if (video !== null && document.pictureInPictureElement === video) {
    await document.exitPictureInPicture().catch(() => undefined);
  }
}
