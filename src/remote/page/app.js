// The page of the daemon: its parts, put together, and the keys that work everywhere.

import * as actions from "./actions.js";
import * as adding from "./add.js";
import * as details from "./details.js";
import { by, dialog, el, icon, phone, say } from "./dom.js";
import * as filters from "./filters.js";
import * as group from "./group.js";
import * as list from "./list.js";
import { dress } from "./prefs.js";
import * as settingsBox from "./settings.js";
import * as store from "./store.js";
import { count, rate, size } from "./text.js";

const KEYS = [
  ["A", "Add torrents"], ["S", "Start"], ["P", "Stop"], ["Delete", "Remove"], ["L", "Limits and labels"], ["/", "Search"],
  ["↑ ↓", "Move"], ["Shift ↑ ↓", "Choose several"], ["Space", "Choose one more"], ["Ctrl A", "Choose all"], ["Enter", "Details"], ["Esc", "Close, choose none"], ["?", "This help"],
];

function show(trouble) {
  list.show();
  filters.show();
  details.show();
  actions.show();
  foot();
  empty(trouble);
  const lost = by("lost");
  lost.hidden = !trouble;
  say(lost, trouble ? `${trouble.message} Trying again…` : "");
  document.body.classList.toggle("lost", Boolean(trouble));
}

function foot() {
  const [, down, up] = store.speeds.at(-1) ?? [0, 0, 0];
  const { settings } = store;
  say(by("down"), rate(down));
  say(by("up"), rate(up));
  const isSlow = Boolean(settings["alt-speed-enabled"]);
  for (const way of ["down", "up"]) {
    const number = isSlow ? settings[`alt-speed-${way}`] : settings[`speed-limit-${way}`];
    say(by(`${way}-max`), isSlow || settings[`speed-limit-${way}-enabled`] ? `of ${rate(number * 1000)}` : "");
  }
  by("slow").setAttribute("aria-pressed", String(isSlow));
  const free = settings["download-dir-free-space"];
  const room = by("free");
  if (!room.firstChild) room.append(icon("disk"), el("span"));
  room.hidden = !(free > 0);
  say(room.lastChild, `${size(free ?? 0)} free`);
  const total = store.torrents.size;
  const shown = list.extent().count;
  say(by("sums"), shown === total ? count(total, "torrent") : `${shown.toLocaleString()} of ${count(total, "torrent")}`);
  say(by("chosen"), list.chosen.size > 1 || phone.matches ? list.choice() : "");
  document.title = down + up > 0 ? `↓ ${rate(down)} ↑ ${rate(up)} – peerlink` : "peerlink";
}

let emptyKind = "";

/** What is said where there is nothing to list. */
function empty(trouble) {
  const { count: number } = list.extent();
  const kind = number > 0 ? "" : store.torrents.size > 0 ? "narrow" : trouble ? "lost" : store.settings.version ? "none" : "early";
  if (kind === emptyKind) return;
  emptyKind = kind;
  const box = by("empty");
  box.hidden = !kind;
  const button = (text, work) => el("button", { class: "main", text, on: { click: work } });
  const parts = {
    narrow: ["search", "Nothing fits", "No torrent is like that.", button("Show all", filters.widen)],
    none: ["down", "Nothing here yet", "Drop .torrent files on this page, paste a magnet link, or choose what to add.", button("Add torrents", () => adding.add())],
    lost: ["error", "No answer", "The daemon is not running, or cannot be reached.", null],
    early: ["wait", "One moment", "", null],
  }[kind];
  if (!parts) return box.replaceChildren();
  const [sign, title, text, act] = parts;
  box.replaceChildren(icon(sign), el("h2", { text: title }), el("p", { text }), act ?? "");
}

function side(isOpen) {
  document.body.classList.toggle("sided", isOpen);
  by("menu").setAttribute("aria-expanded", String(isOpen));
}

function find() {
  by("search").focus();
  by("search").select();
}

function help() {
  dialog({ title: "Keys", body: el("dl", { class: "keys" }, KEYS.map(([key, text]) => [el("dt", {}, el("kbd", { text: key })), el("dd", { text })])) });
}

function press(event) {
  if (event.defaultPrevented || document.querySelector("dialog[open], .menu")) return;
  if (event.key === "Escape") return escape(event);
  if (event.target.closest?.("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  const work = {
    a: () => adding.add(), n: () => adding.add(), s: () => actions.start(), p: () => actions.stop(), Delete: () => actions.remove(),
    Backspace: () => actions.remove(), l: () => list.chosen.size > 0 && actions.limits(), "/": find, "?": help,
  }[event.key];
  if (!work) return;
  event.preventDefault();
  work();
}

function escape(event) {
  if (document.body.classList.contains("sided")) side(false);
  else if (event.target === by("search")) {
    event.target.value = "";
    event.target.dispatchEvent(new Event("input"));
    by("list").focus();
  } else if (!group.close() && !details.close()) list.choose(null);
}

function begin() {
  dress();
  filters.begin(() => {
    by("scroll").scrollTop = 0;
    show(null);
  }, list.orders());
  list.begin({
    choice: () => {
      actions.show();
      foot();
      details.open(false);
    },
    open: details.open,
    menu: actions.offer,
  });
  adding.begin();
  by("add").addEventListener("click", () => adding.add());
  by("start").addEventListener("click", () => actions.start());
  by("stop").addEventListener("click", () => actions.stop());
  by("remove").addEventListener("click", () => actions.remove());
  by("none").addEventListener("click", () => list.choose(null));
  by("more").addEventListener("click", () => actions.offer(by("more")));
  by("slow").addEventListener("click", () => actions.slow().then(foot));
  by("group-open").addEventListener("click", group.flip);
  by("settings").addEventListener("click", () => settingsBox.show());
  by("menu").addEventListener("click", () => side(!document.body.classList.contains("sided")));
  by("side").addEventListener("click", (event) => phone.matches && event.target.closest("button.entry") && side(false));
  by("main").addEventListener("pointerdown", () => side(false));
  addEventListener("keydown", press);
  store.watch(show);
  store.alongside(details.look);
  store.alongside(group.look);
  show(null);
  store.begin();
  // A link that a browser hands over: it is shown in the form, and nothing is added without a person.
  const given = new URLSearchParams(location.hash.slice(1)).get("add");
  if (given) {
    history.replaceState(null, "", location.pathname);
    store.refresh().then(() => adding.add([], adding.links(given).join("\n")));
  }
}

begin();
