"use strict";
// The page is complete without this script: it adds sorting, the filter, and a gentler way into the details.
(() => {
  document.documentElement.classList.add("js");

  // Sorting: the best first, missing values always last, equal ones in the order that they came in.
  function key(row, index, kind) {
    // A cell may span several columns, with one reason why they have no numbers.
    let column = 0;
    const cell = Array.from(row.cells).find((one) => (column += one.colSpan) > index);
    if (kind !== "num") return cell.textContent.trim().toLowerCase();
    return cell.dataset.value ? Number(cell.dataset.value) : null;
  }

  function sort(heading, index) {
    const table = heading.closest("table");
    const held = heading.getAttribute("aria-sort");
    const up = held ? held === "descending" : heading.dataset.first === "asc";
    for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = table.tBodies[0];
    const keyed = Array.from(body.rows, (row) => [key(row, index, heading.dataset.kind), row]);
    keyed.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      const order = typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
      return up ? order : -order;
    });
    body.append(...keyed.map(([, row]) => row));
  }

  for (const row of document.querySelectorAll("thead tr")) {
    Array.from(row.cells).forEach((heading, index) => {
      const text = heading.querySelector("span.sort");
      if (!text) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.textContent = text.textContent;
      text.replaceWith(button);
      button.addEventListener("click", () => sort(heading, index));
    });
  }

  // The filter: a row stays when it has every word.
  const filter = document.getElementById("filter");
  const matches = document.getElementById("matches");
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const kept = new Set();
    const all = new Set();
    for (const row of document.querySelectorAll("tr[data-words]")) {
      const fits = words.every((word) => row.dataset.words.includes(word));
      row.hidden = !fits;
      all.add(row.dataset.row);
      if (fits) kept.add(row.dataset.row);
    }
    for (const mark of document.querySelectorAll(".forest [data-row], .det [data-row]")) {
      mark.classList.toggle("dim", !kept.has(mark.dataset.row));
    }
    matches.textContent = words.length ? `${kept.size} of ${all.size}` : "";
  });

  // Details: a modal dialog, closed by Escape, by its cross, or by a click beside it.
  function open(id) {
    const dialog = id ? document.getElementById(id) : null;
    if (!(dialog instanceof HTMLDialogElement) || dialog.open) return false;
    dialog.showModal();
    dialog.scrollTop = 0;
    history.replaceState(null, "", `#${id}`);
    return true;
  }

  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element) || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const dialog = event.target.closest("dialog");
    const link = event.target.closest('a[href^="#r-"]');
    if (link && open(link.getAttribute("href").slice(1))) event.preventDefault();
    if (dialog && (event.target === dialog || event.target.closest(".close"))) {
      event.preventDefault();
      dialog.close();
    }
  });

  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
  }
  open(location.hash.slice(1));
  window.addEventListener("hashchange", () => open(location.hash.slice(1)));

  // Commands can be copied.
  for (const block of document.querySelectorAll(".command")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      const code = block.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
    });
    block.prepend(button);
  }
})();
