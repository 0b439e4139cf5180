// Numbers as people read them. What is not known is a dash.

export const UNKNOWN = "–";

const known = (value) => typeof value === "number" && Number.isFinite(value);
const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A count: 12, 3,456, 1.2 M. */
export function count(value) {
  if (!known(value)) return UNKNOWN;
  return Math.abs(value) >= 1e6 ? `${(value / 1e6).toFixed(1)} M` : grouped.format(value);
}

/** How often a second: one digit behind the point where that still says something. */
export function rate(value) {
  if (!known(value)) return UNKNOWN;
  return value > 0 && value < 10 ? value.toFixed(1) : count(value);
}

/** A span of seconds: 0.35 ms, 12 ms, 1.4 s, 3m05s, 2h07m, 5d03h. */
export function span(seconds) {
  if (!known(seconds)) return UNKNOWN;
  if (seconds === 0) return "0 s";
  if (seconds < 0.01) return `${(seconds * 1000).toFixed(2)} ms`;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const units = [["d", 86400, "h", 3600], ["h", 3600, "m", 60], ["m", 60, "s", 1]];
  const [unit, size, part, partSize] = units.find(([, size]) => seconds >= size);
  const rest = String(Math.floor((seconds % size) / partSize)).padStart(2, "0");
  return `${Math.floor(seconds / size)}${unit}${rest}${part}`;
}

/** Bytes: 512 KiB, 84 MiB, 1.6 GiB. */
export function bytes(value) {
  if (!known(value)) return UNKNOWN;
  let unit = "B";
  for (const larger of ["KiB", "MiB", "GiB", "TiB"]) {
    if (value < 1024) break;
    value /= 1024;
    unit = larger;
  }
  return `${value < 10 && unit !== "B" ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** A part of one core: 42 %. */
export function percent(share) {
  return known(share) ? `${share < 0.1 ? (share * 100).toFixed(1) : Math.round(share * 100)} %` : UNKNOWN;
}
