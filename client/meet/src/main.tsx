import { createRoot } from "react-dom/client";
import { App } from "./app";
import { PreferencesProvider } from "./preferences";
import "./style.css";

const root = document.getElementById("root");
if (root !== null) {
  createRoot(root).render(
    <PreferencesProvider>
      <App />
    </PreferencesProvider>,
  );
}
