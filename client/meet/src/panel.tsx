/** What stands beside the grid; over it on a phone. */
import type { ReactNode } from "react";
import { CloseIcon } from "./icons";
import { useTexts } from "./preferences";

interface Props {
  readonly title: string;
  readonly id: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

/** A panel with a heading and a way to close it. */
export function Panel({ title, id, onClose, children }: Props) {
  const texts = useTexts();
  return (
    <aside className="panel" id={id} aria-label={title}>
      <header>
        <h2>{title}</h2>
        <button type="button" className="plain" aria-label={texts.close} title={texts.close} onClick={onClose}>
          <CloseIcon />
        </button>
      </header>
      {children}
    </aside>
  );
}
