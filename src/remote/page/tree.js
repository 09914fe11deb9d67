// The files of a torrent as folders: what is wanted, what comes first, how far each is.

import { el, icon, say } from "./dom.js";
import { percent, size } from "./text.js";

/** Folders with fewer entries in all are shown open. */
const OPEN_MAX = 60;
/** Entries of a folder that are shown at first; more when somebody wants. */
const PAGE = 500;
const PRIORITIES = [["1", "High"], ["0", "Normal"], ["-1", "Low"]];

/**
 * Files `[{name, length}]` as a tree. `hears.wanted(indexes, isWanted)` and `hears.priority(indexes, priority)` are called
 * when a person chooses; without `hears.priority` there is nothing to say about order, without `hasProgress` no progress.
 */
export class Tree {
  constructor(files, hears, hasProgress = false) {
    this.files = files;
    this.hears = hears;
    this.hasProgress = hasProgress;
    this.wanted = files.map(() => true);
    this.priority = files.map(() => 0);
    this.done = files.map(() => 0);
    this.root = folder("", "");
    files.forEach((file, index) => this.place(file, index));
    this.node = el("ul", { class: "tree" });
    this.parts = [];
    this.list(this.root, this.node, 0);
    this.show();
  }

  /** Takes over how the files stand: `[{wanted, priority, bytesCompleted}]`. */
  update(stats) {
    stats.forEach((stat, index) => {
      this.wanted[index] = Boolean(stat.wanted);
      this.priority[index] = stat.priority;
      this.done[index] = stat.bytesCompleted;
    });
    this.show();
  }

  /** All or none. */
  chooseAll(isWanted) {
    this.choose(this.root, isWanted);
  }

  /** Bytes of what is wanted. */
  bytes() {
    return this.files.reduce((sum, file, index) => sum + (this.wanted[index] ? file.length : 0), 0);
  }

  place(file, index) {
    const parts = file.name.split("/");
    let at = this.root;
    at.indexes.push(index);
    for (const part of parts.slice(0, -1)) {
      if (!at.folders.has(part)) at.folders.set(part, folder(part, at.path ? `${at.path}/${part}` : part));
      at = at.folders.get(part);
      at.indexes.push(index);
    }
    at.files.push({ name: parts.at(-1), path: file.name, indexes: [index] });
  }

  list(at, to, from) {
    const entries = [...at.folders.values(), ...at.files];
    for (const entry of entries.slice(from, from + PAGE)) to.append(entry.folders ? this.folder(entry) : this.file(entry));
    if (entries.length <= from + PAGE) return;
    const more = el("li", {}, el("button", { type: "button", class: "plain", text: `Show ${Math.min(PAGE, entries.length - from - PAGE)} more` }));
    more.firstChild.addEventListener("click", () => {
      more.remove();
      this.list(at, to, from + PAGE);
      this.show();
    });
    to.append(more);
  }

  folder(entry) {
    const inner = el("ul", { hidden: true });
    const button = el("button", { type: "button", class: "fold", "aria-expanded": "false", "aria-label": `Folder ${entry.name}` }, icon("open"));
    const open = () => {
      if (!inner.firstChild) this.list(entry, inner, 0);
      inner.hidden = !inner.hidden;
      button.setAttribute("aria-expanded", String(!inner.hidden));
      this.show();
    };
    button.addEventListener("click", open);
    const item = el("li", {}, this.line(entry, button, "folder"), inner);
    if (entry.indexes.length <= OPEN_MAX) {
      this.list(entry, inner, 0);
      inner.hidden = false;
      button.setAttribute("aria-expanded", "true");
    }
    return item;
  }

  file(entry) {
    return el("li", {}, this.line(entry, el("span", { class: "fold" }), "file"));
  }

  line(entry, before, sign) {
    const box = el("input", { type: "checkbox", "aria-label": `Download ${entry.name}`, on: { change: () => this.choose(entry, box.checked) } });
    const part = { entry, box };
    const label = el("label", { class: "what" }, box, icon(sign), el("bdi", { text: entry.name }));
    const line = el("div", { class: "entry" }, before, label, el("span", { class: "size", text: size(entry.indexes.reduce((sum, index) => sum + this.files[index].length, 0)) }));
    if (this.hasProgress) {
      part.fill = el("span", { class: "fill" });
      part.share = el("span", { class: "share" });
      line.append(el("span", { class: "done" }, el("span", { class: "bar" }, part.fill), part.share));
    }
    if (this.hears.priority) {
      part.select = el("select", { "aria-label": `Priority of ${entry.name}`, on: { change: () => this.order(entry, Number(part.select.value)) } },
        PRIORITIES.map(([value, text]) => el("option", { value, text })), el("option", { value: "", text: "Mixed", disabled: true, hidden: true }));
      line.append(part.select);
    }
    if (this.hears.rename) {
      line.append(el("button", { type: "button", class: "icon small", "aria-label": `Rename ${entry.name}`, title: "Rename", on: { click: () => this.hears.rename(entry.path) } }, icon("rename")));
    }
    part.line = line;
    this.parts.push(part);
    return line;
  }

  choose(entry, isWanted) {
    for (const index of entry.indexes) this.wanted[index] = isWanted;
    this.show();
    this.hears.wanted(entry.indexes, isWanted);
  }

  order(entry, priority) {
    for (const index of entry.indexes) this.priority[index] = priority;
    this.show();
    this.hears.priority(entry.indexes, priority);
  }

  show() {
    for (const { entry, box, fill, share, select, line } of this.parts) {
      const { indexes } = entry;
      const wanted = indexes.reduce((sum, index) => sum + (this.wanted[index] ? 1 : 0), 0);
      box.checked = wanted === indexes.length;
      box.indeterminate = wanted > 0 && wanted < indexes.length;
      line.classList.toggle("unwanted", wanted === 0);
      if (fill) {
        const length = indexes.reduce((sum, index) => sum + this.files[index].length, 0);
        const done = length === 0 ? 1 : indexes.reduce((sum, index) => sum + this.done[index], 0) / length;
        fill.style.transform = `scaleX(${done})`;
        line.classList.toggle("whole", done >= 1);
        say(share, percent(done));
      }
      if (select && document.activeElement !== select) {
        const first = this.priority[indexes[0]];
        select.value = indexes.every((index) => this.priority[index] === first) ? String(first) : "";
        select.classList.toggle("normal", select.value === "0");
      }
    }
  }
}

function folder(name, path) {
  return { name, path, folders: new Map(), files: [], indexes: [] };
}
