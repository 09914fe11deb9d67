// Conveniences of the page; everything works without them.
"use strict";

// A button beside each line that people copy.
for (const line of document.querySelectorAll("[data-copy]")) {
  const text = line.textContent;
  const shown = document.createElement("span");
  shown.className = "text";
  shown.textContent = text;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // Without https, browsers let no script near the clipboard: select it for the person.
      getSelection().selectAllChildren(shown);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  line.replaceChildren(shown, button);
}

// "/" leads to the search field.
const search = document.querySelector(".search input");
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (search && event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    search.focus();
    search.select();
  }
});

// What is too large is said before it is sent.
const file = document.querySelector(".publish input[type=file]");
file?.addEventListener("change", () => {
  const size = file.files[0]?.size ?? 0;
  file.setCustomValidity(size > 2 * 1024 * 1024 ? "A .torrent can have up to 2 MiB here." : "");
  file.reportValidity();
});

// Seeds and peers of the rows shown, again and again while somebody looks.
const rows = new Map([...document.querySelectorAll("tr[data-hash]")].map((row) => [row.dataset.hash, row]));
async function refresh() {
  if (document.hidden) return;
  const reply = await fetch("/torrents" + location.search, { headers: { Accept: "application/json" } });
  if (!reply.ok) return;
  for (const torrent of (await reply.json()).torrents) {
    const row = rows.get(torrent.info_hash);
    if (!row?.querySelector(".seeds") || torrent.seeds === null) continue;
    row.querySelector(".seeds").textContent = torrent.seeds.toLocaleString("fr");
    row.querySelector(".peers").textContent = torrent.peers.toLocaleString("fr");
    row.classList.toggle("alone", torrent.seeds === 0);
  }
}
if (rows.size > 0) setInterval(() => refresh().catch(() => {}), 30000);
