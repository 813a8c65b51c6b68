import { useStored } from "./use-stored";

const ON = ["on"] as const;

/** A setting that is off until the user turns it on; kept for the next visit. */
export function useFlag(key: string): [boolean, (isOn: boolean) => void] {
  const [value, store] = useStored(key, ON);
  return [value !== null, (isOn) => store(isOn ? "on" : null)];
}
