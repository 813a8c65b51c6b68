/** What menus and panels over the page have in common: where they go, and that a click elsewhere closes them. */
import type { RefObject } from "react";
import { useEffect, useLayoutEffect } from "react";
import { placeMenu } from "./menu-place";

/**
 * Keeps an element beside the button before it, wherever there is room, and says once when it is there. `content` is anything
 * that changes when the element needs another size.
 */
export function usePlaced(element: RefObject<HTMLElement | null>, placed: (element: HTMLElement) => void, content?: string): void {
  useLayoutEffect(() => put(element.current), [element, content]);
  useLayoutEffect(() => {
    if (element.current !== null) {
      placed(element.current);
    }
    // The grid has its new size a frame or two after the window.
    const resized = (): unknown => requestAnimationFrame(() => requestAnimationFrame(() => put(element.current)));
    window.addEventListener("resize", resized);
    return () => window.removeEventListener("resize", resized);
    // Only what is there at first is told.
  }, [element]);
}

function put(overlay: HTMLElement | null): void {
  const button = overlay?.parentElement?.getBoundingClientRect();
  if (overlay !== null && button !== undefined) {
    const size = { width: overlay.offsetWidth, height: overlay.scrollHeight };
    const place = placeMenu(button, size, { width: window.innerWidth, height: window.innerHeight });
    Object.entries(place).forEach(([side, px]) => overlay.style.setProperty(side, `${px}px`));
  }
}

/** Calls `close` when anything outside of `root` is pressed while it is open. */
export function useOutside(root: RefObject<HTMLElement | null>, isOpen: boolean, close: () => void): void {
  useEffect(() => {
    if (!isOpen) {
      return undefined;
    }
    const outside = (event: Event): void => {
      if (!(event.target instanceof Node && root.current?.contains(event.target) === true)) {
        close();
      }
    };
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [root, isOpen, close]);
}
