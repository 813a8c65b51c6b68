/** Shared by menus and panels over the page: their position, and closing on a click elsewhere. */
import type { RefObject } from "react";
import { useEffect, useLayoutEffect } from "react";
import { placeMenu } from "./menu-place";

/**
 * Keeps an element next to the button before it, and calls `placed` once it is positioned. `content` is anything that
 * changes when the element needs another size.
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
    // `placed` is called for the initial element only.
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

/** Calls `close` when anything outside `root` is pressed while it is open. */
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
