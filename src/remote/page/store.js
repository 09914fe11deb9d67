// The torrents as the page knows them: asked for once, then only what changed lately, and nothing while nobody looks.

import { call, session } from "./rpc.js";

/** What may change any moment, and what stays or changes with the torrent's metadata. */
const MOVING = [
  "id", "name", "status", "error", "errorString", "totalSize", "sizeWhenDone", "leftUntilDone", "percentDone",
  "metadataPercentComplete", "recheckProgress", "rateDownload", "rateUpload", "eta", "peersConnected", "peersSendingToUs",
  "peersGettingFromUs", "uploadRatio", "uploadedEver", "queuePosition", "labels", "downloadDir", "isFinished",
];
const FIXED = ["hashString", "addedDate", "trackerList", "isPrivate", "fileCount"];

const TICK_MS = 1500;
/** The daemon says what changed within its last minute: who looked away for longer asks for everything. */
const RECENT_MS = 45_000;
/** Everything is asked for again so often in any case, should something have been missed. */
const ALL_EVERY_MS = 300_000;
const SESSION_EVERY_MS = 15_000;
/** Moments of a speed graph, one each tick. */
const HISTORY = 400;

/** By number. */
export const torrents = new Map();
/** The daemon's settings. */
export const settings = {};
/** Speeds of all torrents: `[seconds, down, up]`. */
export const speeds = [];

const listeners = new Set();
let asked = { all: 0, recent: 0, session: 0, id: "" };
let timer = 0;
let busy = null;
let trouble = null;

/** Calls when something may have changed; `trouble` is why nothing could be learned. */
export function watch(listener) {
  listeners.add(listener);
}

/** Further questions of each look; their answers are their own business. */
const extras = [];
export function alongside(question) {
  extras.push(question);
}

/** Asks now; `all`: for everything. */
export async function refresh(all = false) {
  // What was asked before the change does not show it.
  if (busy) await busy;
  if (all) asked.all = 0;
  await tick();
}

/** Looks until the page is hidden. */
export function begin() {
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) tick();
  });
  tick();
}

function tick() {
  clearTimeout(timer);
  busy ??= ask().finally(() => {
    busy = null;
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(tick, trouble ? TICK_MS * 2 : TICK_MS);
  });
  return busy;
}

async function ask() {
  try {
    const now = Date.now();
    if (asked.id !== session()) asked.all = 0;
    if (now - asked.session > SESSION_EVERY_MS || asked.all === 0) await askSession(now);
    if (now - asked.recent > RECENT_MS || now - asked.all > ALL_EVERY_MS) await askAll(now);
    else await askRecent(now);
    note(now / 1000);
    for (const extra of extras) await extra();
    trouble = null;
  } catch (why) {
    trouble = why;
  }
  for (const listener of listeners) listener(trouble);
}

async function askSession(now) {
  const answer = await call("session-get");
  for (const key of Object.keys(settings)) if (!(key in answer)) delete settings[key];
  Object.assign(settings, answer);
  asked.session = now;
  asked.id = session();
}

/** Reads the settings again with the next look. */
export function forgetSession() {
  asked.session = 0;
}

async function askAll(now) {
  const answer = await call("torrent-get", { fields: [...MOVING, ...FIXED], format: "table" });
  const here = take(answer.torrents);
  for (const id of torrents.keys()) if (!here.has(id)) torrents.delete(id);
  asked.all = now;
  asked.recent = now;
}

async function askRecent(now) {
  const answer = await call("torrent-get", { ids: "recently-active", fields: MOVING, format: "table" });
  const seeking = [...torrents.values()].filter((torrent) => torrent.metadataPercentComplete < 1);
  const before = new Set(torrents.keys());
  const here = take(answer.torrents);
  for (const id of answer.removed ?? []) torrents.delete(id);
  asked.recent = now;
  const found = seeking.filter((torrent) => torrent.metadataPercentComplete >= 1).map((torrent) => torrent.id);
  const fresh = [...here].filter((id) => !before.has(id)).concat(found);
  if (fresh.length > 0) take((await call("torrent-get", { ids: fresh, fields: ["id", ...FIXED], format: "table" })).torrents);
}

/** Takes a table over; the numbers that were in it. */
function take([names, ...rows]) {
  const here = new Set();
  const place = names.indexOf("id");
  for (const row of rows) {
    const id = row[place];
    here.add(id);
    let torrent = torrents.get(id);
    if (!torrent) {
      torrent = { id, history: [], hashString: "", addedDate: 0, trackerList: "", fileCount: 0, hosts: [] };
      torrents.set(id, torrent);
    }
    names.forEach((name, at) => { torrent[name] = row[at]; });
    if (names.includes("trackerList")) torrent.hosts = hosts(torrent.trackerList);
  }
  return here;
}

function hosts(list) {
  const found = list.split("\n").filter(Boolean).map((url) => /^[a-z0-9]+:\/\/(\[[^\]]*\]|[^/:?#]+)/i.exec(url)?.[1] ?? url);
  return [...new Set(found)];
}

/** Remembers the speeds of this moment. */
function note(at) {
  let down = 0;
  let up = 0;
  for (const torrent of torrents.values()) {
    down += torrent.rateDownload;
    up += torrent.rateUpload;
    const moves = torrent.rateDownload > 0 || torrent.rateUpload > 0;
    if (moves || torrent.history.length > 0) push(torrent.history, [at, torrent.rateDownload, torrent.rateUpload]);
  }
  push(speeds, [at, down, up]);
}

function push(history, moment) {
  history.push(moment);
  if (history.length > HISTORY) history.shift();
}

/** Folders that are known: of the settings, and of torrents; most used first. */
export function folders() {
  const counts = new Map();
  for (const { downloadDir } of torrents.values()) counts.set(downloadDir, (counts.get(downloadDir) ?? 0) + 1);
  const known = [...counts].sort((a, b) => b[1] - a[1]).map(([folder]) => folder);
  return [...new Set([settings["download-dir"], ...known])].filter(Boolean).slice(0, 30);
}

/** Labels in use. */
export function labels() {
  return [...new Set([...torrents.values()].flatMap((torrent) => torrent.labels))].sort();
}

