// Everything on these pages works without this script. It filters long tables
// and copies listings.
"use strict";

for (const search of document.querySelectorAll("[data-filter]")) {
  const input = search.querySelector("input");
  const told = search.querySelector("[role=status]");
  const rows = [...search.nextElementSibling.querySelectorAll("tbody tr")].map((row) => ({
    row,
    text: row.textContent.toLowerCase(),
  }));
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { row, text } of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    told.textContent = words.length ? `${shown} of ${rows.length}` : "";
  };
  input.addEventListener("input", filter);
  search.hidden = false;
  const wanted = new URLSearchParams(location.search).get("q");
  if (wanted) input.value = wanted;
  filter(); // a browser may have kept what was typed before
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const input = document.querySelector("[data-filter] input");
  if (!input) return;
  event.preventDefault();
  input.focus();
});

for (const figure of document.querySelectorAll(".listing")) {
  if (!navigator.clipboard) break; // only where pages come over HTTPS or from this machine
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(figure.querySelector("pre").textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  figure.querySelector("figcaption").append(button);
}

// The menu is folded on a phone and open beside the page.
const menu = document.querySelector(".menu");
const wide = matchMedia("(min-width: 60rem)");
const unfold = () => (menu.open = wide.matches);
wide.addEventListener("change", unfold);
unfold();
menu.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
