// What of the list is shown: by state, label, folder, tracker and words; and on a phone, in which order.

import { by, el, icon, say } from "./dom.js";
import { torrents } from "./store.js";
import { count, isComplete } from "./text.js";

const STATES = [
  ["all", "All", "all", () => true],
  ["down", "Downloading", "down", (torrent) => torrent.status === 3 || torrent.status === 4],
  ["up", "Seeding", "up", (torrent) => torrent.status === 5 || torrent.status === 6],
  ["active", "Active", "active", (torrent) => torrent.rateDownload > 0 || torrent.rateUpload > 0],
  ["done", "Complete", "done", isComplete],
  ["off", "Stopped", "stop", (torrent) => torrent.status === 0],
  ["check", "Checking", "check", (torrent) => torrent.status === 1 || torrent.status === 2],
  ["error", "Errors", "error", (torrent) => torrent.error !== 0],
];

/** Of each kind, what is chosen; empty for everything. */
const chosen = { state: "all", label: "", folder: "", tracker: "" };
let words = [];
let changed = () => {};

/** Whether a torrent is to be shown. */
export function fits(torrent) {
  return STATES.find(([key]) => key === chosen.state)[3](torrent)
    && (!chosen.label || torrent.labels.includes(chosen.label))
    && (!chosen.folder || torrent.downloadDir === chosen.folder)
    && (!chosen.tracker || torrent.hosts.includes(chosen.tracker))
    && words.every((word) => `${torrent.name}\n${torrent.labels.join("\n")}\n${torrent.hashString}`.toLowerCase().includes(word));
}

/** Whether anything is held back. */
export function isNarrow() {
  return chosen.state !== "all" || Boolean(chosen.label || chosen.folder || chosen.tracker) || words.length > 0;
}

/** Shows everything again. */
export function widen() {
  Object.assign(chosen, { state: "all", label: "", folder: "", tracker: "" });
  by("search").value = "";
  words = [];
  changed();
}

/** Builds the column; `listener` hears of every change. */
export function begin(listener, orders) {
  changed = () => {
    show();
    listener();
  };
  const search = by("search");
  search.addEventListener("input", () => {
    words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    changed();
  });
  by("side").append(
    el("div", { class: "phone sorting" }, orders),
    el("ul", { id: "by-state" }),
    section("label", "Labels", "label"), section("folder", "Folders", "folder"), section("tracker", "Trackers", "tracker"));
  for (const [key, title, sign] of STATES) by("by-state").append(entry("state", key, title, sign));
}

function section(kind, title) {
  return el("section", { id: `by-${kind}`, hidden: true, "aria-label": title }, el("h2", { text: title }), el("ul"));
}

function entry(kind, key, title, sign) {
  const choose = () => {
    chosen[kind] = kind !== "state" && chosen[kind] === key ? "" : key;
    changed();
  };
  const button = el("button", { class: `entry ${kind === "state" ? key : ""}`, "aria-pressed": "false", title: kind === "state" ? null : title, on: { click: choose } },
    icon(sign), el("bdi", { class: "word", text: title }), el("span", { class: "count" }));
  const item = el("li", {}, button);
  item.dataset.key = key;
  return item;
}

/** Counts anew. */
export function show() {
  const all = [...torrents.values()];
  for (const [key, , , test] of STATES) {
    const item = by("by-state").querySelector(`[data-key="${key}"]`);
    const number = all.filter(test).length;
    mark(item, chosen.state === key, number);
    item.hidden = (key === "check" || key === "error") && number === 0 && chosen.state !== key;
  }
  fill("label", "label", (torrent) => torrent.labels, 1);
  fill("folder", "folder", (torrent) => [torrent.downloadDir], 2);
  fill("tracker", "tracker", (torrent) => torrent.hosts, 2);
}

function mark(item, isChosen, number) {
  const button = item.firstChild;
  button.setAttribute("aria-pressed", String(isChosen));
  const shown = button.lastChild;
  say(shown, number > 0 ? number.toLocaleString() : "");
  shown.setAttribute("aria-label", count(number, "torrent"));
}

/** A section with an entry for each key in use; not shown for fewer than `least`. */
function fill(kind, sign, keys, least) {
  const counts = new Map();
  for (const torrent of torrents.values()) for (const key of keys(torrent)) counts.set(key, (counts.get(key) ?? 0) + 1);
  if (chosen[kind] && !counts.has(chosen[kind])) counts.set(chosen[kind], 0);
  const box = by(`by-${kind}`);
  const list = box.lastChild;
  box.hidden = counts.size < least && !chosen[kind];
  const wanted = [...counts.keys()].sort((a, b) => a.localeCompare(b)).slice(0, 200);
  const known = new Map([...list.children].map((item) => [item.dataset.key, item]));
  const items = wanted.map((key) => known.get(key) ?? entry(kind, key, kind === "folder" ? short(key) : key, sign));
  if (items.length !== list.children.length || items.some((item, at) => item !== list.children[at])) list.replaceChildren(...items);
  for (const item of items) {
    mark(item, chosen[kind] === item.dataset.key, counts.get(item.dataset.key));
    if (kind === "folder") item.firstChild.title = item.dataset.key;
  }
}

/** The end of a path, which tells folders apart. */
function short(path) {
  return path.replace(/\/+$/, "").split("/").pop() || path;
}
