// Cells know the name of their column, for the cards of a phone. A field above every long table: rows that do not hold
// all of its words are hidden.
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll(".md-typeset table:not([class])")) {
    const rows = [...table.querySelectorAll("tbody tr")];
    const names = [...table.querySelectorAll("thead th")].map((cell) => cell.textContent.trim());
    for (const row of rows) [...row.cells].forEach((cell, i) => (cell.dataset.name = names[i] || ""));
    if (rows.length < 16) continue;
    const field = document.createElement("input");
    field.type = "search";
    field.className = "row-filter";
    field.placeholder = `filter ${rows.length} rows`;
    field.setAttribute("aria-label", "filter the rows of the table below");
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
    });
    const place = table.closest(".md-typeset__scrollwrap") || table;
    if (rows.length >= 30) place.classList.add("long-table");
    place.before(field);
  }
});
