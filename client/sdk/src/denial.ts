/** Tells apart why a browser denies a device or the screen, because each cause has a remedy of its own. */

/** Denied by a site around this page, by the operating system, by nobody because the user closed the question, or by the user. */
export type Denial = "page" | "system" | "dismissed" | "user";

/** A feature of the permissions policy. */
type Feature = "microphone" | "camera" | "display-capture";

/** The cause of a `NotAllowedError`. Browsers other than Chromium have one message for all causes. */
export function denialOf(error: unknown, feature: Feature): Denial {
  const message = String(error);
  if (!isAllowed(feature) || /\b(?:permissions|feature) policy/i.test(message)) {
    return "page";
  }
  if (/by system/i.test(message)) {
    return "system";
  }
  return /dismissed/i.test(message) ? "dismissed" : "user";
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
