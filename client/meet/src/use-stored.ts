import { useMemo, useState } from "react";
import { recall, remember } from "./storage";

/** A choice among `known` values, kept for the next visit; `null` until the user makes one. */
export function useStored<Value extends string>(
  key: string,
  known: readonly Value[],
): [Value | null, (value: Value | null) => void] {
  const [value, setValue] = useState(() => known.find((one) => one === recall("local", key)) ?? null);
  const store = useMemo(
    () => (chosen: Value | null) => {
      setValue(chosen);
      remember("local", key, chosen);
    },
    [key],
  );
  return [value, store];
}
