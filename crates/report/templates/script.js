"use strict";
// Filters the table by what is typed and by a state. Without this, all of it is shown.
const tools = document.getElementById("tools");
if (tools) {
  const text = document.getElementById("text");
  const state = document.getElementById("state");
  const shown = document.getElementById("shown");
  const rows = [...document.querySelectorAll("#packages tbody tr")];
  const asked = new URLSearchParams(location.search);
  const filter = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const said = row.textContent.toLowerCase();
      const fits = words.every((word) => said.includes(word));
      const is = !state.value || row.dataset.s === state.value;
      row.hidden = !(fits && is);
      count += row.hidden ? 0 : 1;
    }
    shown.textContent = count + " of " + rows.length + " packages";
  };
  text.value = asked.get("text") || "";
  state.value = asked.get("state") || "";
  text.addEventListener("input", filter);
  state.addEventListener("change", filter);
  tools.hidden = false;
  filter();
}
