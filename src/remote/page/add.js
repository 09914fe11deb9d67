// Adding torrents: by file, link or hash; with a folder, labels, a choice of files, and started or not.

import { folderField, split } from "./actions.js";
import { attempt, by, dialog, el, icon, line, name, tick, toast } from "./dom.js";
import { reveal } from "./list.js";
import { call } from "./rpc.js";
import { labels, refresh, settings, torrents } from "./store.js";
import { count, size } from "./text.js";
import { read } from "./torrent_file.js";
import { Tree } from "./tree.js";

/** The daemon fetches a .torrent from the web within a minute. */
const PATIENCE_MS = 70_000;
const LINK = /^(magnet:\?|https?:\/\/|[0-9a-f]{40}$|[a-z2-7]{32}$)/i;

/** Words that may be torrents: links and hashes, one on each line. */
export function links(text) {
  return text.split(/\s+/).filter((word) => LINK.test(word));
}

let isOpen = false;

/** Asks what to add; files and links may be there already. */
export async function add(files = [], text = "") {
  if (isOpen) return;
  isOpen = true;
  const form = new Form(text);
  await form.take(files);
  const done = await dialog({ title: "Add torrents", body: form.nodes, yes: "Add", wide: true, focus: files.length ? null : form.links, act: () => form.send() });
  isOpen = false;
  if (!done) return;
  await refresh();
  if (done.id) reveal(done.id);
  if (done.chooseLater.length > 0) for (const id of done.chooseLater) await chooseFiles(id, done.isStarted);
}

class Form {
  constructor(text) {
    /** `{name, base64, tree, files}` of .torrent files. */
    this.files = [];
    this.links = el("textarea", { rows: "3", value: text, spellcheck: "false", autocomplete: "off", placeholder: "magnet:?xt=…   https://…/file.torrent   or an info hash; one on each line" });
    this.picker = el("input", { type: "file", accept: ".torrent,application/x-bittorrent", multiple: true, class: "hidden", id: name("file"), on: { change: () => this.picked() } });
    this.list = el("div", { class: "files" });
    this.folder = folderField(settings["download-dir"] ?? "");
    this.known = el("datalist", { id: name("labels") }, labels().map((label) => el("option", { value: label })));
    this.tags = el("input", { type: "text", list: this.known.id, autocomplete: "off" });
    this.starts = tick("Start when added", settings["start-added-torrents"] !== false);
    this.chooses = tick("Choose files of links before they are downloaded", false);
    this.top = tick("At the top of the queue", false);
    const drop = el("label", { class: "pick-file", for: this.picker.id }, icon("file"), el("span", { text: "Choose .torrent files" }, el("span", { class: "desk", text: ", or drop them on the page" })));
    this.nodes = [
      line("Links", this.links), this.picker, drop, this.list,
      el("div", { class: "columns" }, el("div", {}, line("Folder", this.folder.field), this.folder.nodes), el("div", {}, line("Labels", this.tags, "Divided by commas"), this.known)),
      this.starts.row, this.chooses.row, this.top.row,
    ];
    const show = () => { this.chooses.row.hidden = links(this.links.value).length === 0; };
    this.links.addEventListener("input", show);
    show();
    current = this;
  }

  async picked() {
    await this.take([...this.picker.files]);
    this.picker.value = "";
  }

  async take(files) {
    for (const file of files) {
      try {
        const buffer = await file.arrayBuffer();
        this.show({ ...read(buffer), base64: await base64(file) });
      } catch (why) {
        this.list.append(el("p", { class: "wrong", role: "alert" }, el("bdi", { text: file.name }), `: ${why.message}`));
      }
    }
  }

  show(file) {
    if (this.files.some((known) => known.base64 === file.base64)) return;
    const sum = el("small", { class: "quiet" });
    const says = () => { sum.textContent = `${count(file.tree.wanted.filter(Boolean).length, "file")}, ${size(file.tree.bytes())}`; };
    file.tree = new Tree(file.files, { wanted: () => says(), priority: () => {} });
    says();
    const close = el("button", { type: "button", class: "icon small", "aria-label": `Leave out ${file.name}`, on: { click: () => {
      this.files.splice(this.files.indexOf(file), 1);
      box.remove();
    } } }, icon("close"));
    const head = el("summary", {}, el("bdi", { class: "title", text: file.name }), sum, close);
    const all = [["All", true], ["None", false]].map(([text, isWanted]) => el("button", { type: "button", class: "plain small", text, on: { click: () => file.tree.chooseAll(isWanted) } }));
    const box = el("details", { class: "file", open: this.files.length === 0 }, head, el("div", { class: "inner" }, file.files.length > 1 ? el("p", { class: "buttons" }, all) : null, file.tree.node));
    this.files.push(file);
    this.list.append(box);
  }

  async send() {
    const found = links(this.links.value);
    const unknown = this.links.value.split(/\s+/).filter((word) => word && !LINK.test(word));
    if (unknown.length > 0) throw new Error(`“${unknown[0].slice(0, 60)}” is no magnet link, URL or info hash.`);
    if (this.files.length + found.length === 0) throw new Error("Give a link or choose a .torrent file.");
    const isStarted = this.starts.box.checked;
    const base = { "download-dir": this.folder.field.value.trim(), labels: split(this.tags.value), paused: !isStarted };
    const done = { id: 0, chooseLater: [], isStarted };
    for (const file of [...this.files]) {
      take(done, await call("torrent-add", { ...base, metainfo: file.base64, ...chosen(file.tree) }));
      // What follows may fail: this one is not sent again.
      this.files.splice(this.files.indexOf(file), 1);
    }
    const chooses = this.chooses.box.checked;
    for (const link of found) {
      const isUrl = /^https?:/i.test(link);
      const answer = await call("torrent-add", { ...base, filename: link, ...(chooses && isUrl ? { paused: true } : {}) }, PATIENCE_MS);
      const id = take(done, answer);
      if (chooses && id) done.chooseLater.push(id);
      this.links.value = this.links.value.replace(link, "").trim();
    }
    if (this.top.box.checked && done.id) await call("queue-move-top", { ids: [done.id] });
    return done;
  }
}

let current = null;

function take(done, { "torrent-added": added, "torrent-duplicate": double }) {
  if (double) toast(`“${double.name}” is here already`);
  else toast(`Added “${added.name}”`);
  done.id = (added ?? double).id;
  return added?.id;
}

/** What a person chose of the files, for the call. */
function chosen(tree) {
  const of = (test) => tree.files.map((_, index) => index).filter(test);
  const lists = {
    "files-unwanted": of((index) => !tree.wanted[index]),
    "priority-high": of((index) => tree.priority[index] > 0),
    "priority-low": of((index) => tree.priority[index] < 0),
  };
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0));
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Error("The file cannot be read."));
    reader.readAsDataURL(file);
  });
}

/** Waits until a link's files are known, holds it, and lets a person choose. */
async function chooseFiles(id, isStarted) {
  const torrent = () => torrents.get(id);
  while (torrent() && torrent().metadataPercentComplete < 1) await new Promise((resolve) => setTimeout(resolve, 500));
  if (!torrent()) return;
  const answer = await attempt(async () => {
    await call("torrent-stop", { ids: [id] });
    return call("torrent-get", { ids: [id], fields: ["name", "files", "fileStats"] });
  });
  const known = answer?.torrents[0];
  if (!known) return;
  const tree = new Tree(known.files, { wanted: () => {}, priority: () => {} });
  tree.update(known.fileStats);
  await dialog({
    title: "Choose files",
    body: [el("p", {}, el("bdi", { text: known.name })), tree.node],
    yes: isStarted ? "Download" : "Save",
    wide: true,
    act: async () => {
      const lists = chosen(tree);
      if (Object.keys(lists).length > 0) await call("torrent-set", { ids: [id], ...lists });
      if (isStarted) await call("torrent-start", { ids: [id] });
      await refresh();
    },
  });
}

/** Files and links that are dropped on the page or pasted into it. */
export function begin() {
  let depth = 0;
  const isUseful = (event) => [...(event.dataTransfer?.types ?? [])].some((type) => type === "Files" || type === "text/uri-list" || type === "text/plain");
  const shade = (isOver) => { by("drop").hidden = !isOver; };
  addEventListener("dragenter", (event) => {
    if (!isUseful(event)) return;
    depth += 1;
    shade(true);
  });
  addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (depth === 0) shade(false);
  });
  addEventListener("dragover", (event) => isUseful(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    depth = 0;
    shade(false);
    if (event.target.matches?.("textarea, input[type=text], input[type=search]") && event.dataTransfer.files.length === 0) return;
    event.preventDefault();
    const files = [...event.dataTransfer.files];
    const text = links(event.dataTransfer.getData("text/uri-list") || event.dataTransfer.getData("text/plain")).join("\n");
    if (isOpen) current.take(files);
    else if (files.length > 0 || text) add(files, files.length > 0 ? "" : text);
  });
  addEventListener("paste", (event) => {
    if (event.target.matches?.("input, textarea") || document.querySelector("dialog[open]")) return;
    const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.name.endsWith(".torrent"));
    const text = links(event.clipboardData?.getData("text/plain") ?? "").join("\n");
    if (files.length > 0 || text) add(files, text);
  });
}
