/** Which page is shown. */
import { useEffect, useState } from "react";
import { Home } from "./home";
import { RoomPage } from "./room-page";
import { readRoute } from "./route";

/** The whole app: one page at a time, named by the address bar. */
export function App() {
  const [route, setRoute] = useState(() => readRoute(location.pathname, location.search));
  useEffect(() => {
    const changed = (): void => setRoute(readRoute(location.pathname, location.search));
    window.addEventListener("popstate", changed);
    return () => window.removeEventListener("popstate", changed);
  }, []);
  const go = (path: string): void => {
    history.pushState(null, "", path);
    setRoute(readRoute(location.pathname, location.search));
  };
  return route.page === "home" ? (
    <Home go={go} />
  ) : (
    <RoomPage key={route.room} room={route.room} options={route.options} go={go} />
  );
}
