/** A button that opens a menu, used with the mouse or with the arrow keys (ARIA: menu button). */
import type { KeyboardEvent, ReactNode } from "react";
import { useId, useRef, useState } from "react";
import { useOutside, usePlaced } from "./use-overlay";

export interface MenuItem {
  /** Identifies it for tests and style sheets, in every language. */
  readonly id?: string;
  readonly label: string;
  readonly icon?: ReactNode;
  readonly isDangerous?: boolean;
  /** If true, it is shown only when the bar has no room for its button. */
  readonly isForNarrow?: boolean;
  readonly onChoose: () => void;
}

interface Props {
  readonly label: string;
  readonly id?: string;
  readonly className?: string;
  readonly items: readonly MenuItem[];
  /** Side by side, with hidden labels. */
  readonly isRow?: boolean;
  /** If true, the menu stays open after a choice. */
  readonly staysOpen?: boolean;
  readonly children: ReactNode;
}

/** Direction of each arrow key. */
const STEPS: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

export function Menu({ label, id, className = "round", items, isRow = false, staysOpen = false, children }: Props) {
  const { root, isOpen, setOpen, close, pressed } = useMenu();
  const menuId = useId();
  const choose = (item: MenuItem): void => {
    item.onChoose();
    if (!staysOpen) {
      close();
    }
  };
  return (
    <div className="menu-root" ref={root} onKeyDown={pressed}>
      <button
        type="button"
        id={id}
        className={isOpen ? `${className} open` : className}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        aria-controls={isOpen ? menuId : undefined}
        onClick={() => setOpen(!isOpen)}
      >
        {children}
      </button>
      {isOpen ? (
        <Items id={menuId} label={label} isRow={isRow}>
          {items.map((item) => (
            <button
              key={item.label}
              type="button"
              role="menuitem"
              data-choice={item.id}
              tabIndex={-1}
              className={[item.isDangerous === true ? "danger" : "", item.isForNarrow === true ? "only-narrow" : ""].join(" ")}
              aria-label={item.label}
              title={isRow ? item.label : undefined}
              onClick={() => choose(item)}
            >
              {item.icon}
              {isRow ? null : <span>{item.label}</span>}
            </button>
          ))}
        </Items>
      ) : null}
    </div>
  );
}

interface ItemsProps {
  readonly id: string;
  readonly label: string;
  readonly isRow: boolean;
  readonly children: ReactNode;
}

/** The menu itself: above everything, positioned to fit the screen, and scrolled if it is too long. */
function Items({ id, label, isRow, children }: ItemsProps) {
  const element = useRef<HTMLDivElement>(null);
  usePlaced(element, (menu) => visibleItems(menu)[0]?.focus());
  return (
    <div role="menu" id={id} ref={element} className={isRow ? "menu menu-row" : "menu"} aria-label={label}>
      {children}
    </div>
  );
}

/** The menu's state, with handlers for keys and clicks elsewhere. */
function useMenu() {
  const [isOpen, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  useOutside(root, isOpen, () => setOpen(false));
  const close = (): void => {
    setOpen(false);
    root.current?.querySelector("button")?.focus();
  };
  const pressed = (event: KeyboardEvent): void => {
    const all = visibleItems(root.current);
    const at = all.findIndex((item) => item === document.activeElement);
    const step = Object.hasOwn(STEPS, event.key) ? (STEPS[event.key] ?? 0) : 0;
    if (event.key === "Escape" && isOpen) {
      event.stopPropagation();
      close();
    } else if (isOpen && step !== 0) {
      event.preventDefault();
      all[(at + step + all.length) % all.length]?.focus();
    } else if (event.key === "Tab") {
      setOpen(false);
    }
  };
  return { root, isOpen, setOpen, close, pressed };
}

function visibleItems(root: HTMLElement | null): HTMLElement[] {
  const all = [...(root?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
  return all.filter((item) => item.offsetParent !== null);
}
