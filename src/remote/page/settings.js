// The daemon's settings, and those of this page.

import { folderField } from "./actions.js";
import { dialog, el, line, tick, toast } from "./dom.js";
import { dress, keep, prefs } from "./prefs.js";
import { call } from "./rpc.js";
import { forgetSession, refresh, settings } from "./store.js";
import { duration, size } from "./text.js";

const DAYS = ["Su", "Mo", "Tu", "We", "Th", "Fr", "Sa"];
const DAY_NAMES = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** The sections; of each row its kind, its setting (with the switch that turns it on), its title and unit. */
const SECTIONS = [
  ["Downloads", [
    ["folder", "download-dir", "Download to"],
    ["switch", "incomplete-dir-enabled", "Keep what is not complete elsewhere"],
    ["folder", "incomplete-dir", "Until complete in"],
    ["switch", "start-added-torrents", "Start torrents when they are added"],
  ]],
  ["Speed", [
    ["limit", "speed-limit-down", "Download at most", "kB/s", "speed-limit-down-enabled"],
    ["limit", "speed-limit-up", "Upload at most", "kB/s", "speed-limit-up-enabled"],
    ["title", "Alternative limits"],
    ["switch", "alt-speed-enabled", "They hold now"],
    ["number", "alt-speed-down", "Download at most", "kB/s"],
    ["number", "alt-speed-up", "Upload at most", "kB/s"],
    ["switch", "alt-speed-time-enabled", "By schedule"],
    ["clock", "alt-speed-time-begin", "From"],
    ["clock", "alt-speed-time-end", "To"],
    ["days", "alt-speed-time-day", "On"],
  ]],
  ["Queue", [
    ["limit", "download-queue-size", "Download at once", "torrents", "download-queue-enabled"],
    ["limit", "seed-queue-size", "Seed at once", "torrents", "seed-queue-enabled"],
    ["limit", "queue-stalled-minutes", "Who does not get on takes nobody’s place after", "minutes", "queue-stalled-enabled"],
  ]],
  ["Sharing", [
    ["limit", "seedRatioLimit", "Stop when this many times its size was sent", "times", "seedRatioLimited", "0.1"],
    ["limit", "idle-seeding-limit", "Stop when nobody wanted it for", "minutes", "idle-seeding-limit-enabled"],
  ]],
  ["Network", [
    ["number", "peer-limit-global", "Peers in all at most", "peers"],
    ["number", "peer-limit-per-torrent", "Peers of a torrent at most", "peers"],
    ["blocklist"],
    ["port"],
  ]],
  ["This page", [["theme"], ["about"]]],
];

/** Shows them; what is changed is sent when it is saved. */
export async function show() {
  await call("session-get").then((answer) => Object.assign(settings, answer)).catch(() => {});
  const reads = [];
  const panes = SECTIONS.map(([title, rows]) => el("fieldset", { class: "pane" }, el("legend", { text: title }), rows.filter(isKnown).map((row) => build(row, reads))));
  const tabs = el("div", { class: "tabs side", role: "tablist", "aria-label": "Sections" });
  const choose = (at) => {
    panes.forEach((pane, place) => { pane.hidden = place !== at; });
    [...tabs.children].forEach((tab, place) => {
      tab.setAttribute("aria-selected", String(place === at));
      tab.tabIndex = place === at ? 0 : -1;
    });
  };
  SECTIONS.forEach(([title], at) => {
    panes[at].id = `pane-${at}`;
    panes[at].setAttribute("role", "tabpanel");
    tabs.append(el("button", { type: "button", role: "tab", "aria-controls": `pane-${at}`, text: title, on: { click: () => choose(at) } }));
  });
  tabs.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const at = ([...tabs.children].indexOf(document.activeElement) + step + SECTIONS.length) % SECTIONS.length;
    choose(at);
    tabs.children[at].focus();
    event.preventDefault();
  });
  choose(0);
  const done = await dialog({
    title: "Settings",
    body: el("div", { class: "settings" }, tabs, el("div", { class: "panes" }, panes)),
    yes: "Save",
    wide: true,
    focus: tabs.firstChild,
    act: async () => {
      const changed = reads.map((read) => read()).flat().filter(([key, value]) => String(value) !== String(settings[key]));
      if (changed.length > 0) await call("session-set", Object.fromEntries(changed));
      return true;
    },
  });
  if (!done) return;
  forgetSession();
  toast("Saved");
  await refresh();
}

/** What this daemon does not have is not shown. */
function isKnown([kind, key]) {
  return ["title", "theme", "about", "port", "blocklist"].includes(kind) || key in settings;
}

/** A row; `reads` gets what says its value. */
function build([kind, key, title, unit, enabled, step = "1"], reads) {
  const value = settings[key];
  const number = () => el("input", { type: "number", min: "0", step, value });
  const withUnit = (field) => el("span", { class: "unit" }, field, el("span", { text: unit }));
  switch (kind) {
    case "title": return el("h3", { text: key });
    case "switch": {
      const { box, row } = tick(title, Boolean(value));
      reads.push(() => [[key, box.checked]]);
      return row;
    }
    case "limit": {
      const field = number();
      const { box, row } = tick(title, Boolean(settings[enabled]), { change: () => { field.disabled = !box.checked; } });
      field.disabled = !box.checked;
      field.setAttribute("aria-label", `${title}, ${unit}`);
      reads.push(() => [[enabled, box.checked], [key, field.valueAsNumber || 0]]);
      return el("div", { class: "limit" }, row, withUnit(field));
    }
    case "number": {
      const field = number();
      field.setAttribute("aria-label", `${title}, ${unit}`);
      reads.push(() => [[key, field.valueAsNumber || 0]]);
      return el("div", { class: "limit" }, el("span", { text: title }), withUnit(field));
    }
    case "folder": {
      const folder = folderField(value);
      reads.push(() => (folder.field.value.trim() ? [[key, folder.field.value.trim()]] : []));
      return el("div", {}, line(title, folder.field), folder.nodes);
    }
    case "clock": {
      const two = (part) => String(Math.floor(part)).padStart(2, "0");
      const field = el("input", { type: "time", value: `${two(value / 60)}:${two(value % 60)}`, "aria-label": title });
      const minutes = () => field.value.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
      reads.push(() => [[key, minutes()]]);
      return el("div", { class: "limit" }, el("span", { text: title }), field);
    }
    case "days": return days(key, title, value, reads);
    case "blocklist": return blocklist(reads);
    case "port": return port();
    case "theme": return theme();
    default: return about();
  }
}

function days(key, title, value, reads) {
  const boxes = DAYS.map((day, at) => el("input", { type: "checkbox", checked: Boolean(value & (1 << at)), "aria-label": DAY_NAMES[at] }));
  reads.push(() => [[key, boxes.reduce((sum, box, at) => sum + (box.checked ? 1 << at : 0), 0)]]);
  // The week begins on Monday, as most of the world has it.
  const order = [1, 2, 3, 4, 5, 6, 0];
  return el("div", { class: "limit", role: "group", "aria-label": title }, el("span", { text: title }), el("span", { class: "days" }, order.map((at) => el("label", {}, boxes[at], el("span", { text: DAYS[at] })))));
}

function blocklist(reads) {
  if (!settings["blocklist-size"] && !settings["blocklist-url"]) return null;
  const { box, row } = tick("Keep addresses of the blocklist out", Boolean(settings["blocklist-enabled"]));
  const size = el("span", { text: `${(settings["blocklist-size"] ?? 0).toLocaleString()} ranges` });
  reads.push(() => [["blocklist-enabled", box.checked]]);
  const update = el("button", { type: "button", class: "plain small", text: "Read again", on: { click: async () => {
    try {
      size.textContent = `${(await call("blocklist-update", {}, 70_000))["blocklist-size"].toLocaleString()} ranges`;
    } catch (why) {
      size.textContent = why.message;
    }
  } } });
  return el("div", { class: "limit" }, row, el("span", { class: "unit" }, size, update));
}

function port() {
  const said = el("span", { class: "quiet", "aria-live": "polite" });
  const ways = [["DHT", "dht-enabled"], ["peer exchange", "pex-enabled"], ["local discovery", "lpd-enabled"]].filter(([, key]) => settings[key]).map(([name]) => name);
  call("port-test").then((answer) => {
    said.textContent = answer["port-is-open"] ? "The router passes it on." : "Nobody has said that the router passes it on.";
  }).catch(() => {});
  return el("p", {}, `Peers reach this daemon at port ${settings["peer-port"]}. It finds them by trackers${ways.length ? `, ${ways.join(", ")}` : ""}. `, said);
}

function theme() {
  const field = el("select", {}, [["auto", "As the system"], ["light", "Light"], ["dark", "Dark"]].map(([value, text]) => el("option", { value, text })));
  field.value = prefs.theme;
  field.addEventListener("change", () => {
    keep({ theme: field.value });
    dress();
  });
  return line("Colours", field);
}

function about() {
  const list = el("dl", {});
  const say = (name, value) => list.append(el("dt", { text: name }), el("dd", { text: value }));
  say("Program", /\((.*)\)/.exec(settings.version ?? "")?.[1] ?? settings.version);
  say("State in", settings["config-dir"]);
  call("session-stats").then((stats) => {
    const sum = stats["cumulative-stats"];
    say("Downloaded", size(sum.downloadedBytes));
    say("Uploaded", size(sum.uploadedBytes));
    say("At work for", duration(sum.secondsActive));
  }).catch(() => {});
  return list;
}
