// Replaces what has changed, every two seconds, while somebody looks.
"use strict";
const now = document.getElementById("now");
let tag = "", busy = false;
async function look() {
  if (busy || document.hidden || window.getSelection().type === "Range") return;
  busy = true;
  try {
    const answer = await fetch("/now" + location.search, {headers: tag ? {"If-None-Match": tag} : {}, cache: "no-store"});
    if (answer.status === 200) {
      const open = new Set([...now.querySelectorAll("details[open]")].map(d => d.id));
      now.innerHTML = await answer.text();
      now.querySelectorAll("details").forEach(d => { if (d.id) d.open = open.has(d.id); });
      tag = answer.headers.get("ETag");
    }
    document.body.classList.toggle("stale", !answer.ok && answer.status !== 304);
  } catch {
    document.body.classList.add("stale");
  } finally {
    busy = false;
  }
}
setInterval(look, 2000);
