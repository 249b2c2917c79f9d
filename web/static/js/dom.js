// Elements, and how numbers and days are written.

const SVG = "http://www.w3.org/2000/svg";

/** The path that a proxy serves the page under; "" for none. */
export const ROOT = document.documentElement.dataset.root ?? "";

/** Whether the server writes captions and answers questions. */
export const WRITES = document.documentElement.dataset.writes !== undefined;

/** An element with attributes (a function is a listener, `false` and `null` are left out) and children. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name, value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false).map(legible));
  return made;
}

/** Begins with a capital letter, unless a path or a file's name is first. */
export const sentence = (text) => text.replace(/^[a-z](?=[a-z]*[ ,])/, (letter) => letter.toUpperCase());

/** A name as it is stored: characters that turn others round are shown, as \u202e, and turn nothing. */
export const legible = (text) => (typeof text === "string" ? text.replace(/[\u202a-\u202e\u2066-\u2069]/g, (mark) => `\\u${mark.charCodeAt(0).toString(16)}`) : text);

const STATIC = new URL("../", import.meta.url).pathname;

/** "heart@more" is in more.svg, which a first page does without. */
export function icon(name) {
  const [id, file = "icons"] = name.split("@");
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${STATIC}${file}.svg#${id}`);
  svg.append(use);
  return svg;
}

const dressed = new Map();

/** Load style sheets of ours that the page itself does without: "keep", or several in one answer, "keep+news". */
export function styled(names) {
  const wanted = names.split("+").filter((name) => !dressed.has(name));
  const href = new URL(`../css/${wanted.join("+")}.css`, import.meta.url).pathname;
  const coming = wanted.length && new Promise((done, failed) => document.head.append(el("link", { rel: "stylesheet", href, load: done, error: failed })));
  for (const name of wanted) dressed.set(name, coming);
  if (coming) coming.catch(() => wanted.forEach((name) => dressed.delete(name))); // the server was away: the next one tries again
  return Promise.all(names.split("+").map((name) => dressed.get(name)));
}

/** Fetch modules together that would ask for each other one after the other: on a slow line each step costs more than its bytes. */
export function ahead(...names) {
  document.head.append(...names.map((name) => el("link", { rel: "modulepreload", href: new URL(`${name}.js`, import.meta.url).pathname })));
}

/** Whether this browser shares files. On plain HTTP of another machine none does. */
export const CAN_SHARE = (() => {
  try {
    return Boolean(navigator.canShare?.({ files: [new File([""], "a.jpg", { type: "image/jpeg" })] }));
  } catch {
    return false;
  }
})();

/** Do something once the page's own pictures are there and the browser has time; after two seconds in any case, because a busy page may never be idle. */
export function later(act) {
  const idle = () => (window.requestIdleCallback ? requestIdleCallback(act, { timeout: 2000 }) : setTimeout(act));
  if (document.readyState === "complete") idle();
  else addEventListener("load", idle, { once: true });
}

export const calm = matchMedia("(prefers-reduced-motion: reduce)");

export const count = (number) => number.toLocaleString("en");

/** "1 picture", "1,200 pictures". */
export const several = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

export const percent = (share) => `${share > 0.995 && share < 1 ? 99 : Math.round(100 * share)} %`;

export function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let step = 0;
  for (; bytes >= 1000 && step < units.length - 1; step += 1) bytes /= 1000;
  return `${bytes.toLocaleString("en", { maximumFractionDigits: step && bytes < 100 ? 1 : 0 })} ${units[step]}`;
}

/** A camera's clock knows no time zone: what it wrote is shown, never shifted. */
export function day(iso, withTime = false) {
  const at = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}:\d{2}))?/.exec(iso ?? "");
  if (!at) return iso ?? "";
  const date = new Date(Date.UTC(+at[1], +at[2] - 1, +at[3]));
  const text = date.toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
  return withTime && at[4] ? `${text}, ${at[4]}` : text;
}

export function duration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  const hours = Math.floor(seconds / 3600);
  return hours < 48 ? `${hours} h ${Math.round((seconds % 3600) / 60)} min` : `${Math.round(hours / 24)} days`;
}

/** The sheet of keys, on every page. */
const showKeys = () => import("./keys.js").then(({ toggleKeys }) => toggleKeys());
addEventListener("keydown", (event) => {
  if (event.key !== "?" || event.ctrlKey || event.metaKey || event.target.closest?.("input, textarea, select")) return;
  event.preventDefault();
  showKeys();
});
document.querySelector("[data-keys]")?.addEventListener("click", showKeys);

/** A button that puts `text` on the clipboard and says so. */
export function copyButton(text, what) {
  const button = el("button", { class: "round", type: "button", "aria-label": `Copy ${what}`, title: `Copy ${what}` }, icon("copy"));
  button.addEventListener("click", async () => {
    const done = await written(text);
    button.replaceChildren(icon(done ? "done" : "copy"));
    button.setAttribute("aria-label", done ? "Copied" : "The browser did not allow it");
    setTimeout(() => {
      button.replaceChildren(icon("copy"));
      button.setAttribute("aria-label", `Copy ${what}`);
    }, 1600);
  });
  return button;
}

/** Put a text on the clipboard; whether the browser allowed it. */
export async function written(text) {
  try {
    await navigator.clipboard.writeText(text); // missing on plain HTTP of another machine
    return true;
  } catch {
    const area = el("textarea", { class: "unseen" });
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
