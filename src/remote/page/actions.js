// What is done to torrents: from the bar, the menu, the keys.

import { attempt, by, dialog, el, line, menu, name, tick, toast } from "./dom.js";
import { choose, picked } from "./list.js";
import { call } from "./rpc.js";
import { folders, labels, refresh, settings } from "./store.js";
import { count, size } from "./text.js";

const ids = (torrents) => torrents.map((torrent) => torrent.id);

/** Calls for these torrents, and looks at what became of it. */
async function act(method, torrents, more = {}) {
  if (torrents.length === 0) return;
  await attempt(() => call(method, { ids: ids(torrents), ...more }));
  await refresh(method.startsWith("queue-"));
}

export const start = (torrents = picked()) => act("torrent-start", torrents.filter((torrent) => torrent.status === 0 || torrent.error === 3));
export const stop = (torrents = picked()) => act("torrent-stop", torrents.filter((torrent) => torrent.status !== 0));

/** Starts what is stopped, or stops what runs where nothing is. */
export const flip = (torrents = picked()) => (torrents.some((torrent) => torrent.status === 0) ? start(torrents) : stop(torrents));

/** The menu of what is chosen. */
export function offer(at) {
  const torrents = picked();
  if (torrents.length === 0) return;
  const one = torrents.length === 1 ? torrents[0] : null;
  const known = torrents.filter((torrent) => torrent.metadataPercentComplete >= 1);
  const of = (isPossible, work) => (isPossible ? work : null);
  const queue = (place) => () => act(`queue-move-${place}`, torrents);
  menu([
    ["Start", "start", of(torrents.some((torrent) => torrent.status === 0), () => start(torrents))],
    ["Start now, past the queue", "active", of(torrents.some((torrent) => [0, 3, 5].includes(torrent.status)), () => act("torrent-start-now", torrents))],
    ["Stop", "stop", of(torrents.some((torrent) => torrent.status !== 0), () => stop(torrents))],
    ["Verify data", "check", of(known.length > 0, () => act("torrent-verify", known))],
    ["Ask trackers for peers", "tracker", of(torrents.some((torrent) => torrent.status !== 0), () => act("torrent-reannounce", torrents))],
    null,
    ["Limits and labels…", "label", () => limits(torrents)],
    ["Move…", "folder", () => move(torrents)],
    ["Rename…", "rename", of(one && one.metadataPercentComplete >= 1, () => rename(one))],
    ["Copy magnet link", "link", of(one, () => copy(one))],
    null,
    ["To the top of the queue", "up", queue("top")],
    ["Up in the queue", "up", queue("up")],
    ["Down in the queue", "down", queue("down")],
    ["To the end of the queue", "down", queue("bottom")],
    null,
    ["Remove…", "remove", () => remove(torrents)],
  ], at);
}

/** Asks, and takes torrents off the list, with their data if that is wanted. */
export async function remove(torrents = picked()) {
  if (torrents.length === 0) return;
  const bytes = torrents.reduce((sum, torrent) => sum + torrent.sizeWhenDone - torrent.leftUntilDone, 0);
  const names = torrents.slice(0, 6).map((torrent) => el("li", {}, el("bdi", { text: torrent.name })));
  if (torrents.length > names.length) names.push(el("li", { class: "quiet", text: `and ${torrents.length - names.length} more` }));
  const isMany = torrents.length > 1;
  const data = tick(`Delete the downloaded data too (${size(bytes)})`, false);
  const hint = el("p", { class: "quiet", "aria-live": "polite" });
  const says = () => {
    const button = hint.closest("dialog")?.querySelector("footer .main");
    hint.textContent = data.box.checked ? "What is deleted cannot be brought back." : `What was downloaded stays where it is.`;
    hint.classList.toggle("wrong", data.box.checked);
    if (button) button.textContent = data.box.checked ? "Remove and delete" : "Remove";
  };
  data.box.addEventListener("change", says);
  says();
  const done = await dialog({
    title: isMany ? `Remove ${torrents.length} torrents?` : "Remove this torrent?",
    body: [el("ul", { class: "names" }, names), data.row, hint],
    yes: "Remove",
    danger: true,
    act: async () => {
      await call("torrent-remove", { ids: ids(torrents), "delete-local-data": data.box.checked });
      return true;
    },
  });
  if (!done) return;
  choose(null);
  toast(`${count(torrents.length, "torrent")} removed`);
  await refresh(true);
}

/** A field for a folder of the daemon's machine, with what is free there. */
export function folderField(value) {
  const list = el("datalist", { id: name("folders") }, folders().map((folder) => el("option", { value: folder })));
  const field = el("input", { type: "text", value, list: list.id, spellcheck: "false", autocomplete: "off", required: true });
  const room = el("small", { class: "quiet", "aria-live": "polite" });
  let timer = 0;
  const ask = () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const path = field.value.trim();
      try {
        const answer = await call("free-space", { path });
        if (path === field.value.trim()) room.textContent = answer["size-bytes"] >= 0 ? `${size(answer["size-bytes"])} free` : "";
      } catch {
        room.textContent = path.startsWith("/") ? "This folder is not there yet." : "A path on the daemon’s machine, beginning with /";
      }
    }, 250);
  };
  field.addEventListener("input", ask);
  ask();
  return { field, nodes: [list, room] };
}

function move(torrents) {
  const folder = folderField(torrents[0].downloadDir);
  const moves = tick("Move the data there", true);
  return dialog({
    title: torrents.length > 1 ? `Move ${torrents.length} torrents` : "Move",
    body: [line("Folder", folder.field), folder.nodes, moves.row,
      el("p", { class: "quiet", text: "Unticked, the data is there already: it is looked for in the folder, and checked." })],
    yes: "Move",
    focus: folder.field,
    act: async () => {
      await call("torrent-set-location", { ids: ids(torrents), location: folder.field.value.trim(), move: moves.box.checked });
      await refresh();
    },
  });
}

/** Asks for another name of a torrent, or of a file or folder in it. */
export function rename(torrent, path = torrent.name) {
  const before = path.split("/").pop();
  const field = el("input", { type: "text", value: before, spellcheck: "false", autocomplete: "off", required: true });
  return dialog({
    title: "Rename",
    body: line("New name", field, "On the disk too; others who share it keep theirs."),
    yes: "Rename",
    focus: field,
    act: async () => {
      const wanted = field.value.trim();
      if (wanted === before) return false;
      await call("torrent-rename-path", { ids: [torrent.id], path, name: wanted });
      await refresh(true);
      return true;
    },
  });
}

/** Puts a text where it can be pasted, also where browsers let scripts only by the old way. */
export async function copyText(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = el("textarea", { value: text, class: "hidden" });
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  toast(`${what} copied`);
}

const copy = (torrent) => attempt(async () => {
  const answer = await call("torrent-get", { ids: [torrent.id], fields: ["magnetLink"] });
  await copyText(answer.torrents[0].magnetLink, "Magnet link");
});

const OWN = [
  "downloadLimit", "downloadLimited", "uploadLimit", "uploadLimited", "honorsSessionLimits", "seedRatioLimit", "seedRatioMode",
  "seedIdleLimit", "seedIdleMode", "peer-limit", "sequentialDownload", "bandwidthPriority", "labels",
];

/** A switch with a number: on, the number holds. */
function limit(title, unit, number, isOn, step = "1") {
  const { box, row } = tick(title, isOn, { change: () => { field.disabled = !box.checked; } });
  const field = el("input", { type: "number", min: "0", step, value: number, "aria-label": `${title}, ${unit}`, disabled: !isOn });
  return { box, field, row: el("div", { class: "limit" }, row, el("span", { class: "unit" }, field, el("span", { text: unit }))) };
}

/** Global, own or none, with the own number. */
function mode(title, own, unit, number, value, step) {
  const choice = el("select", { "aria-label": title }, ["As in the settings", own, "Never"].map((text, at) => el("option", { value: String(at), text })));
  choice.value = String(value);
  const field = el("input", { type: "number", min: "0", step, value: number, "aria-label": `${title}, ${unit}` });
  const show = () => { field.parentNode.hidden = choice.value !== "1"; };
  const unitBox = el("span", { class: "unit" }, field, el("span", { text: unit }));
  choice.addEventListener("change", show);
  show();
  return { choice, field, row: el("div", { class: "limit" }, el("span", { text: title }), el("span", { class: "pick" }, choice, unitBox)) };
}

/** What holds for some torrents alone. */
export async function limits(torrents = picked()) {
  const answer = await attempt(() => call("torrent-get", { ids: ids(torrents), fields: OWN }));
  const first = answer?.torrents[0];
  if (!first) return;
  const down = limit("Download at most", "kB/s", first.downloadLimit, first.downloadLimited);
  const up = limit("Upload at most", "kB/s", first.uploadLimit, first.uploadLimited);
  const global = tick("The limits for all torrents hold as well", first.honorsSessionLimits);
  const ratio = mode("Stop when shared", "At", "times its size", first.seedRatioLimit, first.seedRatioMode, "0.1");
  const idle = mode("Stop when nobody wants it", "After", "minutes", first.seedIdleLimit, first.seedIdleMode, "1");
  const peers = el("input", { type: "number", min: "1", max: "10000", value: first["peer-limit"] });
  const sequential = tick("Download in order, for watching meanwhile", first.sequentialDownload);
  const priority = el("select", {}, [["1", "High"], ["0", "Normal"], ["-1", "Low"]].map(([value, text]) => el("option", { value, text })));
  priority.value = String(first.bandwidthPriority);
  const known = el("datalist", { id: name("labels") }, labels().map((label) => el("option", { value: label })));
  const tags = el("input", { type: "text", value: first.labels.join(", "), list: known.id, autocomplete: "off" });
  await dialog({
    title: torrents.length > 1 ? `Limits and labels of ${torrents.length} torrents` : "Limits and labels",
    body: [
      line("Labels", tags, "Divided by commas"), known,
      el("fieldset", {}, el("legend", { text: "Speed" }), down.row, up.row, global.row, line("Priority", priority)),
      el("fieldset", {}, el("legend", { text: "Sharing" }), ratio.row, idle.row),
      el("fieldset", {}, el("legend", { text: "Download" }), line("Peers at most", peers), sequential.row),
    ],
    yes: "Save",
    focus: tags,
    act: async () => {
      const wanted = {
        downloadLimited: down.box.checked, downloadLimit: down.field.valueAsNumber || 0,
        uploadLimited: up.box.checked, uploadLimit: up.field.valueAsNumber || 0,
        honorsSessionLimits: global.box.checked,
        seedRatioMode: Number(ratio.choice.value), seedRatioLimit: ratio.field.valueAsNumber || 0,
        seedIdleMode: Number(idle.choice.value), seedIdleLimit: idle.field.valueAsNumber || 0,
        "peer-limit": peers.valueAsNumber || 1,
        sequentialDownload: sequential.box.checked,
        bandwidthPriority: Number(priority.value),
        labels: split(tags.value),
      };
      // With several, only what was changed is set: each keeps what else it had.
      const changed = Object.entries(wanted).filter(([key, value]) => String(value) !== String(first[key]));
      if (changed.length > 0) await call("torrent-set", { ids: ids(torrents), ...Object.fromEntries(changed) });
      await refresh();
    },
  });
}

/** Words divided by commas, each once. */
export function split(text) {
  return [...new Set(text.split(",").map((word) => word.trim()).filter(Boolean))];
}

/** What can be done now to what is chosen, on the bar. */
export function show() {
  const torrents = picked();
  by("start").disabled = !torrents.some((torrent) => torrent.status === 0 || torrent.error === 3);
  by("stop").disabled = !torrents.some((torrent) => torrent.status !== 0);
  by("remove").disabled = torrents.length === 0;
  by("more").disabled = torrents.length === 0;
  document.body.classList.toggle("some", torrents.length > 0);
}

/** The alternative limits, on or off. */
export async function slow() {
  await attempt(() => call("session-set", { "alt-speed-enabled": !settings["alt-speed-enabled"] }));
  settings["alt-speed-enabled"] = !settings["alt-speed-enabled"];
}
