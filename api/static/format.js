// How values are written for people.

const NUMBER = new Intl.NumberFormat(undefined);
const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

export const STATUS_NAMES = {
  new: "New",
  queued: "Queued",
  analyzing: "Analysing",
  retrying: "Retrying",
  completed: "Completed",
  failed: "Failed",
  cancelled: "Cancelled",
};

export const count = (value) => NUMBER.format(value);
export const percent = (fraction) => `${Math.round(fraction * 100)}\u00a0%`;
export const bpm = (value) => (Number.isFinite(value) ? value.toFixed(1) : "");
export const time = (seconds) => TIME.format(new Date(seconds * 1000));
export const clock = (seconds) => CLOCK.format(new Date(seconds * 1000));

export function length(seconds) {
  if (!Number.isFinite(seconds)) return "";
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value) => String(value).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export function size(bytes) {
  if (!Number.isFinite(bytes)) return "";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1000;
    unit += 1;
  }
  return `${bytes.toFixed(unit && bytes < 100 ? 1 : 0)} ${units[unit]}`;
}

export function fileName(path) {
  return path.slice(path.lastIndexOf("/") + 1);
}

export function folder(path) {
  const end = path.lastIndexOf("/");
  return end > 0 ? path.slice(0, end) : "";
}

// "loudness_lufs" as "Loudness lufs".
export function label(name) {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
