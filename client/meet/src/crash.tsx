/** Shown when the app itself has failed. Everything below is gone by then, including the call and the devices. */
import type { ReactNode } from "react";
import { Component } from "react";
import { useTexts } from "./preferences";

interface Props {
  readonly children: ReactNode;
}

export class CrashBoundary extends Component<Props, { readonly hasCrashed: boolean }> {
  override state = { hasCrashed: false };

  static getDerivedStateFromError(): { readonly hasCrashed: boolean } {
    return { hasCrashed: true };
  }

  override render(): ReactNode {
    return this.state.hasCrashed ? <Crashed /> : this.props.children;
  }
}

function Crashed() {
  const texts = useTexts();
  return (
    <main className="page">
      <section className="card narrow" role="alert">
        <h1>{texts.crashed}</h1>
        <p>{texts.crashedHint}</p>
        <button type="button" className="primary" onClick={() => location.reload()}>
          {texts.reload}
        </button>
      </section>
    </main>
  );
}
