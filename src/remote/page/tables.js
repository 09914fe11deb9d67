// The peers and the trackers of a torrent.

import { attempt, el, icon, say } from "./dom.js";
import { call } from "./rpc.js";
import { ago, count, duration, percent, rate } from "./text.js";

const FLAGS = {
  D: "we download from it", d: "we would download, but it does not let us", U: "we upload to it", u: "it wants data, but we do not let it",
  K: "it lets us, but has nothing for us", "?": "we let it, but it wants nothing", H: "found by DHT", X: "found by peer exchange", I: "it dialled us",
  E: "encrypted", T: "uTP", O: "optimistic unchoke",
};

function head(titles) {
  return el("thead", {}, el("tr", {}, titles.map(([title, kind]) => el("th", { scope: "col", class: kind, text: title }))));
}

/** The table of peers, those that give most first. */
export function peers() {
  const body = el("tbody");
  const table = el("table", {}, head([["Address"], ["Program"], ["Has", "num"], ["Down", "num"], ["Up", "num"], ["Flags"]]), body);
  const none = el("p", { class: "quiet none", text: "No peers are connected." });
  const rows = new Map();
  const update = (torrent, more) => {
    const list = [...(more.peers ?? [])].sort((a, b) => b.rateToClient - a.rateToClient || b.rateToPeer - a.rateToPeer || b.progress - a.progress);
    table.hidden = list.length === 0;
    none.hidden = list.length > 0;
    const seen = new Set();
    const wanted = list.map((peer) => {
      const key = peer.address.includes(":") ? `[${peer.address}]:${peer.port}` : `${peer.address}:${peer.port}`;
      seen.add(key);
      if (!rows.has(key)) rows.set(key, peerRow(key));
      const row = rows.get(key);
      fillPeer(row, peer);
      return row.node;
    });
    for (const key of rows.keys()) if (!seen.has(key)) rows.delete(key);
    if (wanted.length !== body.children.length || wanted.some((row, at) => row !== body.children[at])) body.replaceChildren(...wanted);
  };
  return { nodes: [table, none], update };
}

function peerRow(key) {
  const client = el("bdi");
  const [has, down, up] = ["num", "num", "num"].map((kind) => el("td", { class: kind }));
  const flags = el("td");
  const node = el("tr", {}, el("td", { class: "address", text: key }), el("td", {}, client), has, down, up, flags);
  return { node, client, has, down, up, flags };
}

function fillPeer(row, peer) {
  say(row.client, peer.clientName || "–");
  say(row.has, percent(peer.progress));
  say(row.down, peer.rateToClient > 0 ? rate(peer.rateToClient) : "");
  say(row.up, peer.rateToPeer > 0 ? rate(peer.rateToPeer) : "");
  if (row.flags.dataset.flags === peer.flagStr) return;
  row.flags.dataset.flags = peer.flagStr;
  row.flags.replaceChildren(...[...peer.flagStr].map((flag) => el("abbr", { title: FLAGS[flag] ?? flag, text: flag })));
}

/** The trackers with their last answers. */
export function trackers(torrent, edit) {
  const list = el("ul", { class: "trackers" });
  const none = el("p", { class: "quiet none", text: "It has no trackers: peers are found by DHT, peer exchange and in the local network." });
  const ask = el("button", { class: "plain small", on: { click: () => attempt(() => call("torrent-reannounce", { ids: [torrent.id] })) } }, icon("check"), "Ask now");
  const change = el("button", { class: "plain small", on: { click: edit } }, icon("settings"), "Change…");
  const rows = new Map();
  const update = (now, more) => {
    ask.disabled = now.status === 0;
    const stats = more.trackerStats ?? [];
    none.hidden = stats.length > 0;
    const wanted = stats.map((tracker) => {
      const key = `${tracker.tier} ${tracker.announce}`;
      if (!rows.has(key)) rows.set(key, trackerRow(tracker));
      const row = rows.get(key);
      fillTracker(row, tracker, now.status === 0);
      return row.node;
    });
    if (wanted.length !== list.children.length || wanted.some((row, at) => row !== list.children[at])) list.replaceChildren(...wanted);
  };
  return { nodes: [el("p", { class: "buttons" }, ask, change), list, none], update };
}

function trackerRow(tracker) {
  const last = el("p");
  const next = el("p", { class: "quiet" });
  const node = el("li", {}, el("p", { class: "title" }, el("bdi", { text: tracker.announce }), el("span", { class: "label", text: `Tier ${tracker.tier + 1}` })), last, next);
  return { node, last, next };
}

function fillTracker({ node, last, next }, tracker, isStopped) {
  node.classList.toggle("backup", tracker.isBackup);
  const isWrong = tracker.hasAnnounced && !tracker.lastAnnounceSucceeded || !tracker.hasAnnounced && tracker.lastAnnounceResult;
  last.classList.toggle("wrong", Boolean(isWrong));
  say(last, answer(tracker));
  const now = Date.now() / 1000;
  const waits = tracker.nextAnnounceTime - now;
  const due = tracker.announceState === 3 ? "Asked now…" : tracker.announceState === 1 ? `Asked again in ${duration(Math.max(0, waits))}` : "";
  say(next, isStopped ? "Not asked while the torrent is stopped" : due || (tracker.isBackup ? "Asked when the others of its tier do not answer" : ""));
}

function answer(tracker) {
  if (!tracker.hasAnnounced) return tracker.lastAnnounceResult || "Not asked yet";
  const when = ago(tracker.lastAnnounceTime);
  if (!tracker.lastAnnounceSucceeded) return `${tracker.lastAnnounceResult || "No answer"} (${when})`;
  const parts = [count(tracker.lastAnnouncePeerCount, "peer")];
  if (tracker.seederCount >= 0) parts.push(count(tracker.seederCount, "seed"));
  if (tracker.leecherCount >= 0) parts.push(count(tracker.leecherCount, "leecher"));
  return `Answered ${when}: ${parts.join(", ")}`;
}
