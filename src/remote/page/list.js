// The list: as many rows as fit on the screen, whatever the number of torrents; order, choice, keys.

import { by, el, icon, phone, say, turn } from "./dom.js";
import { fits, isNarrow } from "./filters.js";
import { keep, prefs } from "./prefs.js";
import { torrents } from "./store.js";
import { count, eta, percent, rate, ratio, share, size, state } from "./text.js";

const words = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const ORDER = ["Error", "Waiting", "Downloading", "Asking peers", "Checking", "Waits for check", "Queued", "Seeding", "Queued to seed", "Stopped", "Finished", "Complete"];
const left = (torrent) => (torrent.eta >= 0 ? torrent.eta : torrent.eta === -2 ? 1e15 : 1e16);

/** Columns, and further orders: their title, what they compare, whether the largest comes first. */
const COLUMNS = [
  { key: "name", title: "Name", of: (torrent) => torrent.name },
  { key: "size", title: "Size", of: (torrent) => torrent.sizeWhenDone, falls: true },
  { key: "done", title: "Progress", of: share, falls: true },
  { key: "state", title: "State", of: (torrent) => ORDER.indexOf(state(torrent).word) },
  { key: "down", title: "Down", of: (torrent) => torrent.rateDownload, falls: true },
  { key: "up", title: "Up", of: (torrent) => torrent.rateUpload, falls: true },
  { key: "eta", title: "Left", of: left },
  { key: "peers", title: "Peers", of: (torrent) => torrent.peersConnected, falls: true },
  { key: "ratio", title: "Ratio", of: (torrent) => torrent.uploadRatio, falls: true },
  { key: "added", title: "Added", of: (torrent) => torrent.addedDate, falls: true, hidden: true },
  { key: "queue", title: "Place in the queue", of: (torrent) => torrent.queuePosition, hidden: true },
];

/** Numbers of the torrents that are shown, in order. */
let shown = [];
/** Numbers that are chosen. */
export const chosen = new Set();
/** Where the keys are, and where a span began. */
let here = null;
let anchor = null;
let rowHeight = 50;
let hears = { choice: () => {}, open: () => {}, menu: () => {} };

const pool = new Map();

/** The torrents that are chosen, in order. */
export function picked() {
  return shown.filter((id) => chosen.has(id)).map((id) => torrents.get(id)).filter(Boolean);
}

/** The torrent with the cursor. */
export const current = () => torrents.get(here);

/** A control for the order, for screens without the head of the list. */
export function orders() {
  const field = el("select", { "aria-label": "Order" });
  for (const column of COLUMNS) field.append(el("option", { value: column.key, text: column.title }));
  const turn = el("button", { class: "icon", on: { click: () => order(prefs.sort, !prefs.down) } }, icon("up"));
  field.addEventListener("change", () => order(field.value));
  const show = () => {
    field.value = prefs.sort;
    turn.setAttribute("aria-label", prefs.down ? "Falling order" : "Rising order");
    turn.classList.toggle("falls", prefs.down);
  };
  show();
  by("list").addEventListener("order", show);
  return [el("span", { text: "Order" }), field, turn];
}

/** Builds the list; `listeners`: choice (other torrents are chosen), open (one is looked at), menu (at a point). */
export function begin(listeners) {
  hears = listeners;
  const all = el("input", { type: "checkbox", id: "all", "aria-label": "Choose all", tabindex: "-1", on: { change: () => chooseAll(by("all").checked) } });
  const head = el("div", { class: "row head", role: "row" }, el("span", { class: "check", role: "columnheader" }, all));
  for (const column of COLUMNS.filter(({ hidden }) => !hidden)) {
    const button = el("button", { tabindex: "-1", text: column.title, on: { click: () => order(column.key, column.key === prefs.sort ? !prefs.down : undefined) } });
    head.append(el("span", { class: column.key, role: "columnheader", id: `order-${column.key}` }, button));
  }
  by("head").append(head);
  const scroll = by("scroll");
  scroll.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  new ResizeObserver(measure).observe(scroll);
  const list = by("list");
  list.addEventListener("keydown", press);
  by("rows").addEventListener("click", click);
  by("rows").addEventListener("dblclick", (event) => at(event) && hears.open(true));
  by("rows").addEventListener("contextmenu", (event) => {
    const id = at(event);
    if (!id) return;
    event.preventDefault();
    if (!chosen.has(id)) choose(id);
    hears.menu({ x: event.clientX, y: event.clientY });
  });
  measure();
  markOrder();
}

function measure() {
  rowHeight = Number.parseInt(getComputedStyle(by("scroll")).getPropertyValue("--row"), 10) || 50;
  draw();
  // The details have come up over the row that they are about.
  if (here && document.body.classList.contains("detailed")) sight(shown.indexOf(here));
}

function order(key, down) {
  const column = COLUMNS.find((column) => column.key === key) ?? COLUMNS[0];
  keep({ sort: column.key, down: down ?? Boolean(column.falls) });
  markOrder();
  show();
}

function markOrder() {
  for (const cell of by("head").querySelectorAll("[id^=order-]")) {
    if (cell.id === `order-${prefs.sort}`) cell.setAttribute("aria-sort", prefs.down ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  }
  by("list").dispatchEvent(new Event("order"));
}

/** Brings the list up to date. */
export function show() {
  const column = COLUMNS.find(({ key }) => key === prefs.sort) ?? COLUMNS[0];
  const all = [...torrents.values()].filter(fits).map((torrent) => [column.of(torrent), torrent]);
  const turn = prefs.down ? -1 : 1;
  const compare = column.key === "name" ? (a, b) => words.compare(a, b) : (a, b) => a - b;
  all.sort((a, b) => turn * compare(a[0], b[0]) || words.compare(a[1].name, b[1].name) || a[1].id - b[1].id);
  shown = all.map(([, torrent]) => torrent.id);
  const visible = new Set(shown);
  let lost = false;
  for (const id of chosen) if (!visible.has(id)) lost = chosen.delete(id) || lost;
  if (!visible.has(here)) here = null;
  by("rows").style.height = `${shown.length * rowHeight}px`;
  by("list").setAttribute("aria-rowcount", String(shown.length + 1));
  draw();
  if (lost) tell();
}

/** How many are shown, and whether some are held back. */
export const extent = () => ({ count: shown.length, isNarrow: isNarrow() });

function draw() {
  const scroll = by("scroll");
  const first = Math.max(0, Math.floor(scroll.scrollTop / rowHeight) - 3);
  const last = Math.min(shown.length, Math.ceil((scroll.scrollTop + scroll.clientHeight) / rowHeight) + 3);
  const wanted = new Set(shown.slice(first, last));
  for (const [id, row] of pool) {
    if (wanted.has(id)) continue;
    row.node.remove();
    pool.delete(id);
  }
  for (let place = first; place < last; place += 1) {
    const id = shown[place];
    let row = pool.get(id);
    if (!row) {
      row = make(id);
      pool.set(id, row);
      by("rows").append(row.node);
    }
    fill(row, torrents.get(id), place);
  }
  by("rows").style.height = `${shown.length * rowHeight}px`;
  by("list").setAttribute("aria-activedescendant", here && pool.has(here) ? `row-${here}` : "");
  const all = by("all");
  all.checked = shown.length > 0 && chosen.size === shown.length;
  all.indeterminate = chosen.size > 0 && !all.checked;
}

function make(id) {
  const cells = {};
  const cell = (key, ...children) => {
    cells[key] = el("span", { class: key, role: "gridcell" }, children);
    return cells[key];
  };
  cells.box = el("input", { type: "checkbox", tabindex: "-1" });
  cells.title = el("bdi", { class: "title" });
  cells.about = el("span", { class: "about" });
  cells.fill = el("span", { class: "fill" });
  cells.bar = el("span", { class: "bar", role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0", "aria-valuemax": "100" }, cells.fill);
  cells.share = el("span", { class: "share" });
  cells.sign = icon("stop");
  cells.word = el("span");
  const node = el("div", { class: "row", role: "row", id: `row-${id}` },
    el("label", { class: "check", role: "gridcell" }, cells.box),
    cell("name", cells.title, cells.about), cell("size"), cell("done", cells.bar, cells.share),
    cell("state", cells.sign, cells.word), cell("down"), cell("up"), cell("eta"), cell("peers"), cell("ratio"));
  node.dataset.id = id;
  return { node, cells };
}

function fill({ node, cells }, torrent, place) {
  const is = state(torrent);
  const done = share(torrent);
  node.style.transform = `translateY(${place * rowHeight}px)`;
  node.setAttribute("aria-rowindex", String(place + 2));
  node.setAttribute("aria-selected", String(chosen.has(torrent.id)));
  node.className = `row ${is.kind}${torrent.id === here ? " here" : ""}${place % 2 ? " odd" : ""}`;
  cells.box.checked = chosen.has(torrent.id);
  cells.box.setAttribute("aria-label", `Choose ${torrent.name}`);
  say(cells.title, torrent.name);
  about(cells.about, torrent);
  say(cells.size, torrent.metadataPercentComplete < 1 && !torrent.totalSize ? "–" : size(torrent.sizeWhenDone));
  say(cells.share, percent(done));
  cells.fill.style.transform = `scaleX(${done})`;
  cells.bar.setAttribute("aria-valuenow", String(Math.floor(done * 100)));
  turn(cells.sign, is.icon);
  say(cells.word, is.word);
  say(cells.down, torrent.rateDownload > 0 ? rate(torrent.rateDownload) : "");
  say(cells.up, torrent.rateUpload > 0 ? rate(torrent.rateUpload) : "");
  say(cells.eta, eta(torrent));
  say(cells.peers, torrent.peersConnected > 0 ? String(torrent.peersConnected) : "");
  cells.peers.title = torrent.peersConnected > 0 ? `${torrent.peersSendingToUs} send to us, ${torrent.peersGettingFromUs} get from us` : "";
  say(cells.ratio, ratio(torrent.uploadRatio));
}

/** The small line: what is wrong, or how much is here, with the labels. */
function about(node, torrent) {
  const is = torrent.error ? torrent.errorString : amounts(torrent);
  const key = `${is}\n${torrent.labels.join("\n")}`;
  if (node.dataset.key === key) return;
  node.dataset.key = key;
  node.classList.toggle("wrong", torrent.error !== 0);
  node.replaceChildren(...torrent.labels.map((label) => el("bdi", { class: "label", text: label })), el("span", { text: is }));
}

function amounts(torrent) {
  if (torrent.metadataPercentComplete < 1) return "Only its link is known";
  const here = torrent.sizeWhenDone - torrent.leftUntilDone;
  return torrent.leftUntilDone > 0 ? `${size(here)} of ${size(torrent.sizeWhenDone)}` : `${size(torrent.uploadedEver)} sent`;
}

const at = (event) => Number(event.target.closest(".row")?.dataset.id) || null;

function click(event) {
  const id = at(event);
  if (!id || event.target.closest("label") && event.target.tagName !== "INPUT") return;
  const isBox = event.target.tagName === "INPUT";
  if (event.shiftKey) span(id);
  else if (isBox || event.ctrlKey || event.metaKey) flip(id);
  else {
    choose(id);
    hears.open(phone.matches);
  }
  by("list").focus({ preventScroll: true });
}

/** Chooses this one alone. */
export function choose(id) {
  chosen.clear();
  if (id) chosen.add(id);
  here = id;
  anchor = id;
  tell();
}

function flip(id) {
  if (!chosen.delete(id)) chosen.add(id);
  here = id;
  anchor = id;
  tell();
}

function span(id) {
  const [from, to] = [shown.indexOf(anchor ?? id), shown.indexOf(id)].sort((a, b) => a - b);
  chosen.clear();
  for (const one of shown.slice(Math.max(0, from), to + 1)) chosen.add(one);
  here = id;
  tell();
}

export function chooseAll(isChosen = true) {
  chosen.clear();
  if (isChosen) for (const id of shown) chosen.add(id);
  tell();
}

function tell() {
  draw();
  hears.choice();
}

/** Brings a torrent into sight and chooses it. */
export function reveal(id) {
  const place = shown.indexOf(id);
  if (place < 0) return;
  choose(id);
  sight(place);
}

function sight(place) {
  if (place < 0) return;
  const scroll = by("scroll");
  const top = place * rowHeight;
  if (top < scroll.scrollTop) scroll.scrollTop = top;
  else if (top + rowHeight > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = top + rowHeight - scroll.clientHeight;
  draw();
}

/** Keys of the list itself; the others are the page's. */
function press(event) {
  const place = shown.indexOf(here);
  const step = Math.max(1, Math.floor(by("scroll").clientHeight / rowHeight) - 1);
  const to = {
    ArrowDown: place + 1, ArrowUp: place < 0 ? 0 : place - 1, Home: 0, End: shown.length - 1,
    PageDown: place + step, PageUp: place - step,
  }[event.key];
  if (to !== undefined && shown.length > 0 && !event.altKey) {
    const next = Math.max(0, Math.min(to, shown.length - 1));
    if (event.shiftKey) span(shown[next]);
    else if (event.ctrlKey || event.metaKey) { here = shown[next]; draw(); }
    else choose(shown[next]);
    sight(next);
  } else if (event.key === " " && here) flip(here);
  else if (event.key === "Enter" && here) hears.open(true);
  else if ((event.key === "ContextMenu" || event.key === "F10" && event.shiftKey) && here) {
    const box = pool.get(here)?.node.getBoundingClientRect();
    hears.menu({ x: (box?.left ?? 0) + 60, y: box?.bottom ?? 0 });
  } else if (event.key === "a" && (event.ctrlKey || event.metaKey)) chooseAll();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/** What is chosen, in words. */
export function choice() {
  return chosen.size === 0 ? "" : `${chosen.size.toLocaleString()} chosen`;
}
