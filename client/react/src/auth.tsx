/** The permissions of the user in the room, which follow their grants as moderators change them. */
import type { AllGrants, Participant, Room } from "@rotunda/client";
import type { ReactNode } from "react";
import { createContext, useContext, useMemo } from "react";
import { useRoom } from "./use-room";

/** The user's permissions now. The edge decides in the end; these tell a page which controls to show. */
export interface Permissions extends Omit<AllGrants, "publish" | "hidden"> {
  /** The role of the deployment that gave the permissions. */
  readonly role: string;
  /** The application's own facts about the user, such as a role there. */
  readonly attributes: Readonly<Record<string, string>>;
}

const NOTHING: Permissions = {
  role: "participant",
  attributes: {},
  microphone: false,
  camera: false,
  screen: false,
  subscribe: false,
  chat: false,
  moderate: false,
  record: false,
  admit: false,
  metadata: false,
};

const Context = createContext<Permissions | null>(null);

/** Nothing is permitted before the room has admitted the user. */
export function permissionsOf(self: Participant | null): Permissions {
  if (self === null) {
    return NOTHING;
  }
  const { role, attributes, grants } = self;
  const { publish, hidden: _, ...rest } = grants;
  return {
    ...rest,
    role,
    attributes,
    microphone: publish && grants.microphone,
    camera: publish && grants.camera,
    screen: publish && grants.screen,
    admit: grants.admit || grants.moderate,
    metadata: grants.metadata || grants.moderate,
  };
}

interface Props {
  readonly room: Room;
  readonly children: ReactNode;
}

/** Tells the components inside what the user may do in this room. */
export function AuthProvider({ room, children }: Props) {
  const { self } = useRoom(room);
  const permissions = useMemo(() => permissionsOf(self), [self]);
  return <Context value={permissions}>{children}</Context>;
}

export function usePermissions(): Permissions {
  const permissions = useContext(Context);
  if (permissions === null) {
    throw new Error("usePermissions needs an AuthProvider around the component");
  }
  return permissions;
}
