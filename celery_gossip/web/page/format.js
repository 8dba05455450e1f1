// Format: figures, durations and times as text. Pure; times are Unix seconds, durations seconds.
// What is not known is a dash, never a zero.

const NONE = "–";

const digits = (most) => new Intl.NumberFormat(undefined, { maximumFractionDigits: most });
const [whole, tenths, hundredths] = [digits(0), digits(1), digits(2)];
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const minute = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

const isKnown = (value) => typeof value === "number" && Number.isFinite(value);

export function count(value) {
  if (!isKnown(value)) return NONE;
  return Math.abs(value) >= 1e5 ? compact.format(value) : whole.format(value);
}

/** Three digits tell enough of a figure that changes every second. */
export function rate(value) {
  if (!isKnown(value) || value >= 1e5) return count(value);
  if (value > 0 && value < 0.01) return `<${hundredths.format(0.01)}`;
  if (value >= 100) return whole.format(value);
  return value >= 10 ? tenths.format(value) : hundredths.format(value);
}

/** Of a share between 0 and 1. */
export function percent(share) {
  if (!isKnown(share)) return NONE;
  const value = share * 100;
  if (value > 0 && value < 0.1) return `<${tenths.format(0.1)} %`;
  return `${value < 10 ? tenths.format(value) : whole.format(value)} %`;
}

/** Of something that took this long: "120 ms", "1.2 s", "3.5 min". */
export function duration(seconds) {
  if (!isKnown(seconds)) return NONE;
  if (seconds <= 0) return "0 s";
  if (seconds < 0.001) return "<1 ms";
  if (seconds < 0.9995) return `${whole.format(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${tenths.format(seconds)} s`;
  if (seconds < 3597) return `${tenths.format(seconds / 60)} min`;
  return seconds < 86_400 ? `${tenths.format(seconds / 3600)} h` : `${tenths.format(seconds / 86_400)} d`;
}

/** Of something that goes on: "45 s", "12 min 5 s", "3 h 12 min", "4 d 3 h". */
export function age(seconds) {
  const past = Math.max(0, Math.floor(seconds));
  if (past < 60) return `${past} s`;
  if (past < 3600) return `${Math.floor(past / 60)} min ${past % 60} s`;
  if (past < 86_400) return `${Math.floor(past / 3600)} h ${Math.floor((past % 3600) / 60)} min`;
  return `${whole.format(Math.floor(past / 86_400))} d ${Math.floor((past % 86_400) / 3600)} h`;
}

export const clockTime = (unix) => clock.format(unix * 1000);
export const shortTime = (unix) => minute.format(unix * 1000);
export const fullTime = (unix) => moment.format(unix * 1000);

export const plural = (value, one) => `${count(value)} ${one}${value === 1 ? "" : "s"}`;
