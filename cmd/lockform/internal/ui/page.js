// Replaces what has changed, every two seconds, while somebody looks and has no
// text marked, which would be lost.
"use strict";
const now = document.getElementById("now");
let busy = false;
async function look() {
  const marked = window.getSelection().type === "Range";
  document.body.classList.toggle("marked", marked);
  if (busy || document.hidden || marked) return;
  busy = true;
  try {
    const answer = await fetch("/now" + location.search, {cache: "no-store", signal: AbortSignal.timeout(20000)});
    if (answer.ok) now.innerHTML = await answer.text();
    document.body.classList.toggle("stale", !answer.ok);
  } catch {
    document.body.classList.add("stale");
  } finally {
    busy = false;
  }
}
setInterval(look, 2000);
document.addEventListener("visibilitychange", look);
