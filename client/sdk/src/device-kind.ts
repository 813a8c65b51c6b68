/** A device that a user can publish; errors name one too. */
export type DeviceKind = "microphone" | "camera";
