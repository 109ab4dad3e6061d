// Keeps the page fresh without touching what someone is typing into.
"use strict";
(() => {
  const BUSY = 3000;
  const CALM = 12000;

  function busy() {
    const mark = document.querySelector("[data-busy]");
    return mark !== null && mark.dataset.busy === "1";
  }

  function say(text) {
    const age = document.querySelector("[data-age]");
    if (age !== null) age.textContent = text;
  }

  function renew(fresh) {
    for (const part of document.querySelectorAll("[data-live]")) {
      const other = fresh.getElementById(part.id);
      if (other === null || part.contains(document.activeElement) || part.innerHTML === other.innerHTML) continue;
      part.replaceWith(document.importNode(other, true));
    }
  }

  async function beat() {
    if (!document.hidden) {
      try {
        const answer = await fetch(location.origin + location.pathname, { cache: "no-store", credentials: "same-origin" });
        if (!answer.ok) throw new Error(answer.statusText);
        renew(new DOMParser().parseFromString(await answer.text(), "text/html"));
      } catch {
        say("PapLoop is not responding; trying again");
      }
    }
    setTimeout(beat, busy() ? BUSY : CALM);
  }

  // A reload must not repeat "saved".
  if (location.search) history.replaceState(null, "", location.pathname);
  setTimeout(beat, BUSY);
})();
