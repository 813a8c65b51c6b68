/** The choice of one of several devices. */
import type { Device } from "@rotunda/client";

interface Props {
  readonly label: string;
  readonly devices: readonly Device[];
  readonly value: string | null;
  /** The label if there is no device or none is used. */
  readonly noneLabel: string;
  readonly offLabel: string;
  readonly onChoose: (deviceId: string) => void;
}

export function DeviceSelect({ label, devices, value, noneLabel, offLabel, onChoose }: Props) {
  const named = devices.filter(({ id }) => id !== "");
  return (
    <label className="choice">
      <span>{label}</span>
      <select value={value ?? ""} disabled={named.length === 0} onChange={(event) => onChoose(event.target.value)}>
        {value === null || named.length === 0 ? <option value="">{named.length === 0 ? noneLabel : offLabel}</option> : null}
        {named.map((device, index) => (
          <option key={device.id} value={device.id}>
            {device.label === "" ? `${label} ${index + 1}` : device.label}
          </option>
        ))}
      </select>
    </label>
  );
}
