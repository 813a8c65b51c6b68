/** Tells apart why a browser denies a device or the screen, because each cause has a remedy of its own. */

/** The end of an error code: denied by the user, by a site around this page, or by the operating system. */
export type Denial = "denied" | "denied_by_page" | "denied_by_system";

/** A feature of the permissions policy. */
type Feature = "microphone" | "camera" | "display-capture";

/** The cause of a `NotAllowedError`. Browsers other than Chromium have one message for all causes. */
export function denialOf(error: unknown, feature: Feature): Denial {
  const message = String(error);
  if (!isAllowed(feature) || message.includes("policy")) {
    return "denied_by_page";
  }
  return message.includes("by system") ? "denied_by_system" : "denied";
}

interface Policy {
  allowsFeature(feature: Feature): boolean;
}

/** False if the page, or an element that embeds it, forbids the feature. Chromium uses the former name of the policy. */
function isAllowed(feature: Feature): boolean {
  if (typeof document === "undefined") {
    return true;
  }
  const { permissionsPolicy, featurePolicy } = document as { readonly permissionsPolicy?: Policy; readonly featurePolicy?: Policy };
  return (permissionsPolicy ?? featurePolicy)?.allowsFeature(feature) ?? true;
}
