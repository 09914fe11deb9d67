// A .torrent file as far as a person wants to see it before adding it: its name and its files (BEP 3).

const LEN_MAX = 64 * 1024 * 1024;
const DEPTH_MAX = 32;

/** `{name, files: [{name, length}]}`; the files in the daemon's order and with its names. */
export function read(buffer) {
  const bytes = new Uint8Array(buffer);
  if (bytes.length > LEN_MAX) throw new Error("It is too large for a .torrent file.");
  const root = new Reader(bytes).value(0);
  const info = root instanceof Map && root.get("info");
  const name = info instanceof Map && text(info.get("name.utf-8") ?? info.get("name"));
  if (!name) throw new Error("This is no .torrent file.");
  const list = info.get("files");
  if (!Array.isArray(list)) return { name, files: [{ name, length: number(info.get("length")) }] };
  const files = [];
  for (const file of list) {
    // Padding is no file to anybody.
    if (!(file instanceof Map) || text(file.get("attr") ?? new Uint8Array()).includes("p")) continue;
    const path = file.get("path.utf-8") ?? file.get("path");
    const parts = Array.isArray(path) ? path.map(text) : [];
    if (parts[0]?.startsWith("_____padding_file")) continue;
    files.push({ name: [name, ...parts].join("/"), length: number(file.get("length")) });
  }
  return { name, files };
}

const decoder = new TextDecoder();

function text(value) {
  return value instanceof Uint8Array ? decoder.decode(value) : "";
}

function number(value) {
  return Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

/** Bencode: texts stay bytes, dictionaries become maps. */
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  value(depth) {
    if (depth > DEPTH_MAX) throw new Error("This .torrent file is too deep.");
    const kind = this.bytes[this.at];
    if (kind === 0x69) return this.int(this.at + 1, 0x65);
    if (kind === 0x6c) return this.list(depth);
    if (kind === 0x64) return this.dict(depth);
    return this.string();
  }

  /** Digits up to this byte. */
  int(from, end) {
    const to = this.bytes.indexOf(end, from);
    if (to < 0 || to - from > 20) throw new Error("This is no .torrent file.");
    const value = Number(decoder.decode(this.bytes.subarray(from, to)));
    if (!Number.isFinite(value)) throw new Error("This is no .torrent file.");
    this.at = to + 1;
    return value;
  }

  string() {
    const length = this.int(this.at, 0x3a);
    if (length < 0 || this.at + length > this.bytes.length) throw new Error("This .torrent file is cut off.");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  ended() {
    if (this.at >= this.bytes.length) throw new Error("This .torrent file is cut off.");
    if (this.bytes[this.at] !== 0x65) return false;
    this.at += 1;
    return true;
  }

  list(depth) {
    const list = [];
    for (this.at += 1; !this.ended();) list.push(this.value(depth + 1));
    return list;
  }

  dict(depth) {
    const dict = new Map();
    for (this.at += 1; !this.ended();) {
      const key = text(this.string());
      dict.set(key, this.value(depth + 1));
    }
    return dict;
  }
}
