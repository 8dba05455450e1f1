// Format: figures, durations and times as text. Pure; times are Unix seconds, durations seconds.
// An unknown value is a dash, never a zero.

const NONE = "–";

/** @param {number} max */
const digits = (max) => new Intl.NumberFormat(undefined, { maximumFractionDigits: max });
const [whole, tenths, hundredths] = [digits(0), digits(1), digits(2)];
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const minute = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

/** @typedef {number | null | undefined} Figure */

/** @param {unknown} value @returns {value is number} */
const isKnown = (value) => typeof value === "number" && Number.isFinite(value);

/** @param {Figure} value */
export function count(value) {
  if (!isKnown(value)) return NONE;
  return Math.abs(value) >= 1e5 ? compact.format(value) : whole.format(value);
}

/** Three digits are enough for a figure that changes every second. @param {Figure} value */
export function rate(value) {
  if (!isKnown(value) || value >= 1e5) return count(value);
  if (value > 0 && value < 0.01) return `<${hundredths.format(0.01)}`;
  if (value >= 100) return whole.format(value);
  return value >= 10 ? tenths.format(value) : hundredths.format(value);
}

/** Formats a share between 0 and 1. @param {Figure} share */
export function percent(share) {
  if (!isKnown(share)) return NONE;
  const value = share * 100;
  if (value > 0 && value < 0.1) return `<${tenths.format(0.1)} %`;
  return `${value < 10 ? tenths.format(value) : whole.format(value)} %`;
}

/** Formats a measured duration: "120 ms", "1.2 s", "3.5 min". @param {Figure} seconds */
export function duration(seconds) {
  if (!isKnown(seconds)) return NONE;
  if (seconds <= 0) return "0 s";
  if (seconds < 0.001) return "<1 ms";
  if (seconds < 0.9995) return `${whole.format(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${tenths.format(seconds)} s`;
  if (seconds < 3597) return `${tenths.format(seconds / 60)} min`;
  return seconds < 86_220 ? `${tenths.format(seconds / 3600)} h` : `${tenths.format(seconds / 86_400)} d`;
}

/** Formats the time until an event, or since: "in 45 s", "3 h 12 min ago". @param {number} seconds */
export function due(seconds) {
  if (!isKnown(seconds)) return NONE;
  return seconds > -1 ? `in ${age(Math.max(0, seconds))}` : `${age(-seconds)} ago`;
}

/** Formats the time since an event: "45 s", "12 min 5 s", "3 h 12 min", "4 d 3 h". @param {number} seconds */
export function age(seconds) {
  if (!isKnown(seconds)) return NONE;
  const past = Math.max(0, Math.floor(seconds));
  if (past < 60) return `${past} s`;
  if (past < 3600) return `${Math.floor(past / 60)} min ${past % 60} s`;
  if (past < 86_400) return `${Math.floor(past / 3600)} h ${Math.floor((past % 3600) / 60)} min`;
  return `${whole.format(Math.floor(past / 86_400))} d ${Math.floor((past % 86_400) / 3600)} h`;
}

/** Formats an age between two limits: "12 s – 15 s", ">12 s", "<15 s". @param {Figure} least @param {Figure} greatest */
export function ageRange(least, greatest) {
  if (!isKnown(least) || greatest === 0) return NONE;
  if (!isKnown(greatest)) return least ? `>${duration(least)}` : "unknown";
  const [low, high] = [duration(least), duration(greatest)];
  if (!least) return `<${high}`;
  return low === high ? high : `${low} – ${high}`;
}

/** @param {number} unix */
export const clockTime = (unix) => clock.format(unix * 1000);
/** @param {number} unix */
export const shortTime = (unix) => minute.format(unix * 1000);
/** @param {number} unix */
export const fullTime = (unix) => moment.format(unix * 1000);

/** Formats a size: "512 MiB", "1.9 GiB". @param {Figure} size */
export function bytes(size) {
  if (!isKnown(size)) return NONE;
  const at = Math.min(4, Math.max(1, Math.floor(Math.log2(size + 1) / 10)));
  const value = size / 1024 ** at;
  return `${(value < 10 ? tenths : whole).format(value)} ${"KMGT"[at - 1]}iB`;
}

/** @param {number} value @param {string} noun */
export const plural = (value, noun) => `${count(value)} ${value === 1 ? noun : `${noun.replace(/y$/, "ie").replace(/s$/, "se")}s`}`;

/** @param {unknown} error */
export const errorText = (error) => (error instanceof Error && error.message) || String(error);
