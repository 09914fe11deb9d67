// One torrent, closer: what it is, its files, peers and trackers, its speed.

import * as actions from "./actions.js";
import { attempt, by, dialog, el, icon, phone, say, turn } from "./dom.js";
import { bits, pieces, speeds } from "./draw.js";
import { choose as chooseTorrent, current } from "./list.js";
import { keep, prefs } from "./prefs.js";
import { call } from "./rpc.js";
import { torrents } from "./store.js";
import { peers, trackers } from "./tables.js";
import { duration, eta, moment, percent, pieceSize, rate, ratio, share, size, state } from "./text.js";
import { Tree } from "./tree.js";

/** The parts: title, fields to ask for, what builds one and brings it up to date. */
const TABS = {
  overview: { title: "Overview", fields: ["pieces", "pieceCount", "pieceSize", "comment", "creator", "dateCreated", "doneDate", "secondsDownloading", "secondsSeeding", "downloadedEver", "corruptEver", "desiredAvailable", "webseeds"], make: overview },
  files: { title: "Files", fields: ["fileStats"], make: files },
  peers: { title: "Peers", fields: ["peers"], make: peers },
  trackers: { title: "Trackers", fields: ["trackerStats"], make: (torrent) => trackers(torrent, () => editTrackers(torrent)) },
  speed: { title: "Speed", fields: [], make: graph },
};

let id = null;
let isOpen = false;
let part = null;
let shell = null;

/** The fields that the open part wants with each look, and what becomes of the answer. */
export async function look() {
  const torrent = torrents.get(id);
  if (!isOpen || !torrent || !part) return;
  const asked = part;
  const fields = TABS[prefs.tab].fields;
  const answer = fields.length > 0 ? await call("torrent-get", { ids: [id], fields: ["id", ...fields] }) : { torrents: [{}] };
  if (part === asked && answer.torrents[0]) part.update?.(torrent, answer.torrents[0]);
}

/** Opens the details of the torrent with the cursor, or follows it there. `isAsked`: somebody wants to see them. */
export function open(isAsked) {
  const torrent = current();
  if (!torrent) return close(false);
  if (isAsked && !phone.matches) keep({ details: true });
  if (!isAsked && (phone.matches ? !isOpen : !prefs.details)) return undefined;
  if (phone.matches && !isOpen) history.pushState({ details: true }, "");
  isOpen = true;
  const isOther = id !== torrent.id;
  id = torrent.id;
  by("details").hidden = false;
  document.body.classList.add("detailed");
  if (!shell) build();
  if (isOther || !part) choose(prefs.tab);
  show();
  return attempt(look);
}

/** Closes them; `isMeant`: they stay closed. */
export function close(isMeant = true) {
  if (!isOpen) return false;
  isOpen = false;
  id = null;
  part = null;
  if (isMeant && !phone.matches) keep({ details: false });
  const box = by("details");
  const hadFocus = box.contains(document.activeElement);
  box.hidden = true;
  document.body.classList.remove("detailed");
  if (history.state?.details) history.back();
  // There a tap opens, and chooses nothing for the bar.
  if (phone.matches) chooseTorrent(null);
  if (hadFocus) by("list").focus({ preventScroll: true });
  return true;
}

function build() {
  const tab = (key) => el("button", { role: "tab", id: `tab-${key}`, "aria-controls": "part", text: TABS[key].title, on: { click: () => choose(key, true) } });
  const tool = (title, sign, work) => el("button", { class: "icon", "aria-label": title, title, on: { click: work } }, icon(sign));
  const mine = () => [torrents.get(id)].filter(Boolean);
  shell = {
    title: el("bdi"), sign: icon("stop"), word: el("span"), about: el("span", { class: "quiet" }),
    fill: el("span", { class: "fill" }), wrong: el("p", { class: "wrong", hidden: true }),
    tabs: el("div", { class: "tabs", role: "tablist", "aria-label": "Details" }, Object.keys(TABS).map(tab)),
    part: el("div", { id: "part", role: "tabpanel", tabindex: "0" }),
    flip: tool("Stop", "stop", () => actions.flip(mine())),
  };
  shell.state = el("span", { class: "state" }, shell.sign, shell.word);
  const more = tool("More", "more", (event) => actions.offer(event.currentTarget));
  by("details").append(
    el("div", { class: "grip", "aria-hidden": "true", on: { pointerdown: drag } }),
    el("header", {},
      el("button", { class: "icon phone", "aria-label": "Back to the list", on: { click: () => close() } }, icon("back")),
      el("div", { class: "who" }, el("h2", {}, shell.title), el("p", {}, shell.state, shell.about)),
      el("span", { class: "phone tools" }, shell.flip, tool("Remove", "remove", () => actions.remove(mine())), more),
      el("button", { class: "icon desk", "aria-label": "Close details", title: "Close (Esc)", on: { click: () => close() } }, icon("close"))),
    el("span", { class: "bar phone" }, shell.fill), shell.wrong, shell.tabs, shell.part);
  shell.tabs.addEventListener("keydown", (event) => {
    const keys = Object.keys(TABS);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    choose(keys.at((keys.indexOf(prefs.tab) + step) % keys.length), true);
    by(`tab-${prefs.tab}`).focus();
  });
  addEventListener("popstate", () => {
    if (isOpen && phone.matches) close(false);
  });
  if (prefs.height) by("main").style.setProperty("--details", `${prefs.height}px`);
}

/** The height of the details, by hand. */
function drag(event) {
  event.preventDefault();
  const main = by("main").getBoundingClientRect();
  const move = (event) => {
    const height = Math.round(Math.max(160, Math.min(main.bottom - event.clientY, main.height - 120)));
    by("main").style.setProperty("--details", `${height}px`);
    keep({ height });
  };
  const end = () => {
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", end);
  };
  addEventListener("pointermove", move);
  addEventListener("pointerup", end);
}

function choose(key, isAsked = false) {
  if (!TABS[key]) key = "overview";
  keep({ tab: key });
  for (const tab of shell.tabs.children) {
    const isThis = tab.id === `tab-${key}`;
    tab.setAttribute("aria-selected", String(isThis));
    tab.tabIndex = isThis ? 0 : -1;
  }
  shell.part.setAttribute("aria-labelledby", `tab-${key}`);
  const torrent = torrents.get(id);
  part = torrent ? TABS[key].make(torrent) : null;
  shell.part.className = `part-${key}`;
  shell.part.replaceChildren(...(part?.nodes ?? []));
  shell.part.scrollTop = 0;
  if (isAsked) attempt(look);
}

/** Brings the head up to date. */
export function show() {
  if (!isOpen) return;
  const torrent = torrents.get(id);
  if (!torrent) return close(false);
  const is = state(torrent);
  say(shell.title, torrent.name);
  turn(shell.sign, is.icon);
  say(shell.word, is.word);
  shell.state.className = `state ${is.kind}`;
  const parts = [percent(share(torrent)), torrent.rateDownload > 0 && `↓ ${rate(torrent.rateDownload)}`, torrent.rateUpload > 0 && `↑ ${rate(torrent.rateUpload)}`, eta(torrent) && `${eta(torrent)} left`];
  say(shell.about, parts.filter(Boolean).join(" · "));
  shell.fill.style.transform = `scaleX(${share(torrent)})`;
  shell.fill.parentNode.className = `bar phone ${is.kind}`;
  shell.wrong.hidden = !torrent.errorString;
  say(shell.wrong, torrent.errorString);
  const isOff = torrent.status === 0;
  shell.flip.setAttribute("aria-label", isOff ? "Start" : "Stop");
  turn(shell.flip.firstChild, isOff ? "start" : "stop");
}

const OVERVIEW = [
  ["Transfer", [
    ["Downloaded", (t, more) => size(more.downloadedEver)],
    ["Uploaded", (t) => `${size(t.uploadedEver)}, ratio ${ratio(t.uploadRatio)}`],
    ["Left", (t) => (t.leftUntilDone > 0 ? size(t.leftUntilDone) : "nothing")],
    ["Peers", (t) => `${t.peersConnected} connected, ${t.peersSendingToUs} send, ${t.peersGettingFromUs} get`],
    ["Wasted", (t, more) => size(more.corruptEver)],
    ["Time", (t, more) => `${duration(more.secondsDownloading)} downloading, ${duration(more.secondsSeeding)} seeding`],
  ]],
  ["Torrent", [
    ["Size", (t) => (t.sizeWhenDone === t.totalSize ? size(t.totalSize) : `${size(t.sizeWhenDone)} chosen of ${size(t.totalSize)}`)],
    ["Pieces", (t, more) => (more.pieceCount ? `${more.pieceCount.toLocaleString()} of ${pieceSize(more.pieceSize)}` : "not known yet")],
    ["Kind", (t) => (t.isPrivate ? "Private: only its trackers name peers" : "Public")],
    ["Created", (t, more) => [moment(more.dateCreated), more.creator].filter((word) => word && word !== "–").join(", ") || "–"],
    ["Comment", (t, more) => more.comment || "–"],
  ]],
  ["Here", [
    ["Folder", (t) => t.downloadDir],
    ["Added", (t) => moment(t.addedDate)],
    ["Complete", (t, more) => moment(more.doneDate)],
    ["Queue", (t) => `place ${t.queuePosition + 1}`],
    ["Labels", (t) => t.labels.join(", ") || "–"],
    ["Info hash", (t) => t.hashString],
  ]],
];

function overview() {
  const canvas = el("canvas", { class: "pieces", role: "img" });
  const caption = el("p", { class: "quiet caption" });
  const cells = [];
  const cards = OVERVIEW.map(([title, rows]) => el("section", {}, el("h3", { text: title }), el("dl", {}, rows.map(([title, of]) => {
    const value = el("dd", {}, el("bdi"));
    cells.push([value.firstChild, of]);
    return [el("dt", { text: title }), value];
  }))));
  let has = new Uint8Array();
  const update = (torrent, more) => {
    has = bits(more.pieces, more.pieceCount);
    const here = has.reduce((sum, bit) => sum + bit, 0);
    const text = has.length > 0 ? `${here.toLocaleString()} of ${has.length.toLocaleString()} pieces are here` : "Its pieces are not known yet";
    canvas.setAttribute("aria-label", text);
    say(caption, text);
    pieces(canvas, has);
    for (const [node, of] of cells) say(node, of(torrent, more));
  };
  new ResizeObserver(() => pieces(canvas, has)).observe(canvas);
  return { nodes: [el("div", { class: "map" }, canvas, caption), el("div", { class: "cards" }, cards)], update };
}

function files(torrent) {
  const box = el("div", { class: "inner" }, el("p", { class: "quiet", text: "…" }));
  let tree = null;
  let filesKey = "";
  const set = (key) => (indexes) => attempt(() => call("torrent-set", { ids: [torrent.id], [key]: indexes }));
  const hears = {
    wanted: (indexes, isWanted) => set(isWanted ? "files-wanted" : "files-unwanted")(indexes),
    priority: (indexes, priority) => set({ 1: "priority-high", 0: "priority-normal", "-1": "priority-low" }[priority])(indexes),
    rename: (path) => actions.rename(torrent, path).then((done) => { if (done) filesKey = ""; }),
  };
  const build = async () => {
    const answer = await call("torrent-get", { ids: [torrent.id], fields: ["files"] });
    const list = answer.torrents[0]?.files ?? [];
    tree = list.length > 0 ? new Tree(list, hears, true) : null;
    const nothing = el("p", { class: "quiet", text: "The files are known as soon as a peer has told what the link stands for." });
    const all = [["All", true], ["None", false]].map(([text, isWanted]) => el("button", { class: "plain small", text, on: { click: () => tree.chooseAll(isWanted) } }));
    box.replaceChildren(...(tree ? [list.length > 1 ? el("p", { class: "buttons" }, all) : "", tree.node] : [nothing]));
  };
  const update = async (now, more) => {
    const key = `${now.metadataPercentComplete >= 1} ${now.name}`;
    if (key !== filesKey) {
      filesKey = key;
      await build();
    }
    if (tree && tree.files.length === more.fileStats.length) tree.update(more.fileStats);
  };
  return { nodes: [box], update };
}

function graph(torrent) {
  const canvas = el("canvas", { role: "img" });
  const down = el("b");
  const up = el("b");
  const legend = el("p", { class: "legend" }, el("span", { class: "down" }, "Down ", down), el("span", { class: "up" }, "Up ", up));
  const update = (now) => {
    speeds(canvas, now.history);
    say(down, rate(now.rateDownload));
    say(up, rate(now.rateUpload));
    canvas.setAttribute("aria-label", `Speed of the last minutes: now ${rate(now.rateDownload)} down, ${rate(now.rateUpload)} up`);
  };
  new ResizeObserver(() => speeds(canvas, torrent.history)).observe(canvas);
  return { nodes: [legend, canvas], update };
}

async function editTrackers(torrent) {
  const field = el("textarea", { rows: "10", spellcheck: "false", value: torrent.trackerList, "aria-label": "Trackers" });
  await dialog({
    title: "Trackers",
    body: [el("p", { class: "quiet", text: "One on each line; an empty line begins the next tier, which is asked when the one before does not answer." }), field],
    yes: "Save",
    wide: true,
    focus: field,
    act: async () => {
      await call("torrent-set", { ids: [torrent.id], trackerList: field.value });
      torrent.trackerList = field.value;
    },
  });
}
