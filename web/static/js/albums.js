// The page of albums: new ones, other names, deleted and brought back; and what is new while it is open.

import { change } from "./client.js";
import { toast } from "./toast.js";
import { el, later, ROOT, styled } from "./dom.js";

const REST = 10_000; // ms between two looks
const list = document.getElementById("albums");
const field = document.getElementById("new-name");
styled("keep").catch(() => {});

/** The page as the server has it now: covers, counts and order are its own. */
async function redraw({ unless = () => false } = {}) {
  const text = await fetch(location.href, { headers: { Accept: "text/html" } }).then((answer) => answer.text());
  const page = new DOMParser().parseFromString(text, "text/html");
  const now = page.getElementById("albums");
  if (!now || unless()) return; // a login, in a session that is over
  if (now.innerHTML !== list.innerHTML) list.replaceChildren(...now.children);
  document.getElementById("none").hidden = page.getElementById("none").hidden;
}

/** Change something, and show it; `told` gives what is said of it, and what undoes it. */
async function act(method, path, body, told) {
  try {
    const album = await change(path, method, body);
    await redraw();
    const [text, undo] = told(album);
    toast(text, undo);
    return album;
  } catch (problem) {
    toast(problem.message);
    return null;
  }
}

document.getElementById("new").addEventListener("submit", async (event) => {
  event.preventDefault();
  const made = await act("POST", "/albums", { name: field.value }, (album) => [`The album ${album.name} is made`, () => act("DELETE", `/albums/${album.id}`, undefined, () => ["Undone", null])]);
  if (made) field.value = "";
});

list.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  const item = button?.closest("li");
  if (!item || button.dataset.do === "zip") return;
  const { id, name } = item.dataset;
  if (button.dataset.do === "delete") {
    act("DELETE", `/albums/${id}`, undefined, () => [`${name} is deleted; its pictures stay`, () => act("POST", `/albums/${id}/restore`, undefined, () => [`${name} is back`, null])]);
    document.getElementById("main").focus();
  } else rename(item, id, name);
});

function rename(item, id, name) {
  const place = item.querySelector(".named a");
  const input = el("input", { value: name, maxlength: 200, "aria-label": `New name of ${name}` });
  let over = false; // taking the field away is a blur, too
  const done = (take) => {
    if (over) return;
    over = true;
    const wanted = input.value.trim();
    input.replaceWith(place);
    item.querySelector('[data-do="rename"]').focus();
    if (take && wanted && wanted !== name) act("PATCH", `/albums/${id}`, { name: wanted }, () => [`${name} is called ${wanted} now`, () => act("PATCH", `/albums/${id}`, { name }, () => ["Undone", null])]);
  };
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === "Escape") done(event.key === "Enter");
  });
  input.addEventListener("blur", () => done(true));
  place.replaceWith(input);
  input.select();
}

/** Counts and covers follow where nobody is at them; new pictures are in no album yet, so a button leads to them. */
async function fill() {
  const atIt = () => list.contains(document.activeElement);
  if (!atIt()) await redraw({ unless: atIt });
  return false;
}

// Other windows and other people change albums, too.
const follow = () => document.hidden || !navigator.onLine || fill().catch(() => {});
setInterval(follow, REST);
document.addEventListener("visibilitychange", follow);
window.addEventListener("focus", follow);

later(() => import("./news.js").then(({ News }) => new News({ query: () => "", fill, show: () => location.assign(`${ROOT}/`) }), () => {}));
