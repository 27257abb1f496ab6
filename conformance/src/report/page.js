// Shows the rows that have the wanted text and a cell in the wanted state. The address carries
// both, so that a view can be handed on.
const form = document.getElementById("filter");
const rows = [...document.querySelectorAll("#matrix tbody tr")];
const wanted = new URLSearchParams(location.search);
for (const field of form.elements) {
  if (wanted.has(field.name)) field.value = wanted.get(field.name);
}
function show() {
  const text = form.elements.text.value.trim().toLowerCase();
  const state = form.elements.state.value;
  let shown = 0;
  for (const row of rows) {
    const fits = row.firstElementChild.textContent.toLowerCase().includes(text)
      && (!state || row.querySelector(`td.${state}`));
    row.hidden = !fits;
    shown += fits ? 1 : 0;
  }
  form.querySelector("output").textContent = `${shown} of ${rows.length} cases`;
}
function changed() {
  show();
  const search = new URLSearchParams(new FormData(form));
  for (const [name, value] of [...search]) if (!value) search.delete(name);
  const query = search.toString();
  history.replaceState(null, "", (query ? `?${query}` : location.pathname) + location.hash);
}
form.addEventListener("input", changed);
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
show();

// The cell whose section is shown is marked in the grid.
function mark() {
  const wanted = decodeURIComponent(location.hash);
  for (const link of document.querySelectorAll("#matrix td a")) {
    if (link.getAttribute("href") === wanted) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}
addEventListener("hashchange", mark);
mark();
