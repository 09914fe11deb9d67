// Numbers, times and states as people read them.

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** `1.23 GB`: three digits, powers of 1000 as in the limits. */
export function size(bytes) {
  let at = 0;
  let value = Math.max(0, bytes);
  while (value >= 999.5 && at < UNITS.length - 1) {
    value /= 1000;
    at += 1;
  }
  const digits = at === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[at]}`;
}

/** A power of two, as pieces are: `256 KiB`. */
export function pieceSize(bytes) {
  return bytes < 1 << 20 ? `${bytes / 1024} KiB` : `${bytes / (1 << 20)} MiB`;
}

/** Bytes per second. */
export function rate(bytes) {
  return `${size(bytes)}/s`;
}

const STEPS = [["y", 31_536_000], ["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]];

/** `2 h 5 min`: the two largest parts. */
export function duration(seconds) {
  let left = Math.max(0, Math.round(seconds));
  const first = STEPS.findIndex(([, length]) => left >= length);
  if (first < 0) return "0 s";
  const parts = [];
  for (const [unit, length] of STEPS.slice(first, first + 2)) {
    const count = Math.floor(left / length);
    left -= count * length;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.join(" ");
}

/** A moment in seconds since 1970, in the words of this browser's country; a dash for none. */
export function moment(seconds) {
  if (!seconds) return "–";
  return new Date(seconds * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

/** `3 min ago`. */
export function ago(seconds) {
  const passed = Date.now() / 1000 - seconds;
  return passed < 10 ? "just now" : `${duration(passed).split(" ").slice(0, 2).join(" ")} ago`;
}

/** `45.6 %`, and never 100 before it is all there. */
export function percent(share) {
  if (share >= 1) return "100 %";
  return `${(Math.floor(share * 1000) / 10).toFixed(1)} %`;
}

/** `1 torrent`, `2 torrents`. */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString()} ${number === 1 ? one : many}`;
}

export function ratio(value) {
  return value < 0 ? "–" : (Math.floor(value * 100) / 100).toFixed(2);
}

/** Time left, as short as it fits a column: `2h 5m`. */
export function eta(torrent) {
  if (torrent.eta >= 0) return duration(torrent.eta).replace("min", "m").replaceAll(/(\d) (\w)/g, "$1$2");
  return torrent.status === 4 && torrent.eta === -2 ? "∞" : "";
}

const SEEKING = { word: "Asking peers", kind: "down", icon: "search" };
const STATES = [
  { word: "Stopped", kind: "off", icon: "stop" },
  { word: "Waits for check", kind: "wait", icon: "wait" },
  { word: "Checking", kind: "wait", icon: "check" },
  { word: "Queued", kind: "wait", icon: "wait" },
  { word: "Downloading", kind: "down", icon: "down" },
  { word: "Queued to seed", kind: "wait", icon: "wait" },
  { word: "Seeding", kind: "up", icon: "up" },
];
const FINISHED = { word: "Finished", kind: "done", icon: "done" };
const COMPLETE = { word: "Complete", kind: "done", icon: "done" };
const ERROR = { word: "Error", kind: "error", icon: "error" };
const WAITING = { word: "Waiting", kind: "error", icon: "error" };

/** What a torrent does: a word, its colour, its sign. */
export function state(torrent) {
  if (torrent.error === 3) return torrent.status === 0 ? ERROR : WAITING;
  if (torrent.status === 0 && torrent.isFinished) return FINISHED;
  if (torrent.status === 0 && isComplete(torrent)) return COMPLETE;
  if (torrent.status === 4 && torrent.metadataPercentComplete < 1) return SEEKING;
  return STATES[torrent.status] ?? STATES[0];
}

/** Everything that is wanted is here. */
export function isComplete(torrent) {
  return torrent.metadataPercentComplete >= 1 && torrent.leftUntilDone === 0;
}

/** How far it is, 0 to 1: the check while there is one. */
export function share(torrent) {
  return torrent.status === 2 ? torrent.recheckProgress : torrent.percentDone;
}
