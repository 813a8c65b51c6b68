import { useEffect, useState } from "react";
import { CrashBoundary } from "./crash";
import { DemoBroadcast } from "./demo-broadcast";
import { Home } from "./home";
import { RoomPage } from "./room-page";
import { readRoute } from "./route";

/** The whole app: one page at a time, named by the address bar. */
export function App() {
  const [route, setRoute] = useState(here);
  useEffect(() => {
    const changed = (): void => setRoute(here());
    window.addEventListener("popstate", changed);
    return () => window.removeEventListener("popstate", changed);
  }, []);
  const go = (path: string): void => {
    history.pushState(null, "", path);
    setRoute(here());
  };
  return (
    <CrashBoundary>
      {route.page === "home" ? (
        <Home go={go} badLink={route.badLink} />
      ) : route.page === "demo" ? (
        <DemoBroadcast {...route.demo} />
      ) : (
        <RoomPage key={route.room} room={route.room} options={route.options} go={go} />
      )}
    </CrashBoundary>
  );
}

function here(): ReturnType<typeof readRoute> {
  return readRoute(location.pathname, location.search);
}
