/** A panel beside the grid; on a phone, over it. */
import type { ReactNode } from "react";
import { CloseIcon } from "./icons";
import { useTexts } from "./preferences";

interface Props {
  readonly title: string;
  readonly id: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

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
