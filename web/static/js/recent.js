// Searches of this machine: the last ones, and those that were saved. They stand in this browser's storage and are sent nowhere;
// what is being typed is never completed, they are only offered.

import { el, icon, ROOT, styled } from "./dom.js";

const MOST = 40; // recent ones
const SHOWN = 8; // of them at a time
const KEYS = { recent: `imgsearch.recent${ROOT}`, saved: `imgsearch.saved${ROOT}` };

function read(name) {
  try {
    const found = JSON.parse(localStorage.getItem(KEYS[name]) ?? "[]");
    return Array.isArray(found) ? found.filter((one) => typeof one === "string") : [];
  } catch {
    return [];
  }
}

function write(name, searches) {
  try {
    localStorage.setItem(KEYS[name], JSON.stringify(searches));
  } catch {
    // storage is full, or forbidden: then nothing is remembered
  }
}

export class Recent {
  /** `form` is the search field's, `asked(text)` asks one of them. */
  constructor(form, asked) {
    Object.assign(this, { form, field: form.querySelector('input[type="search"]'), asked });
    this.menu = el("div", { class: "menu recall", id: "recalled", popover: "manual", role: "group", "aria-label": "Searches of this machine" });
    this.button = el("button", { class: "round", type: "button", "aria-label": "Earlier searches", title: "Earlier and saved searches", "aria-expanded": "false", "aria-controls": "recalled", click: () => this.#toggle() }, icon("clock"));
    this.field.after(this.button);
    form.append(this.menu);
    styled("recent").catch(() => {});
    this.field.addEventListener("keydown", (event) => event.key === "ArrowDown" && (event.preventDefault(), this.open(true)));
    this.field.addEventListener("input", () => this.shown && this.#draw());
    this.menu.addEventListener("keydown", (event) => this.#key(event));
    form.addEventListener("keydown", (event) => event.key === "Escape" && this.shown && (event.preventDefault(), event.stopPropagation(), this.close(true)));
    form.addEventListener("submit", () => this.close());
    document.addEventListener("pointerdown", (event) => this.shown && !form.contains(event.target) && this.close());
    form.addEventListener("focusout", (event) => this.shown && event.relatedTarget && !form.contains(event.relatedTarget) && this.close());
    addEventListener("storage", (event) => this.shown && Object.values(KEYS).includes(event.key) && this.#draw());
  }

  get shown() {
    return this.menu.matches(":popover-open");
  }

  /** Remember a search that somebody asked; one that compares with a picture is named by a number, which says nothing. */
  note(text) {
    if (!text || /(^|\s)-?(similar|like):/i.test(text)) return;
    write("recent", [text, ...read("recent").filter((one) => one !== text)].slice(0, MOST));
  }

  open(focused = false) {
    const box = this.form.getBoundingClientRect();
    Object.assign(this.menu.style, { top: `${box.bottom + 6}px`, left: `${box.left}px`, width: `${box.width}px` });
    this.#draw();
    if (!this.shown) this.menu.showPopover();
    this.button.setAttribute("aria-expanded", "true");
    if (focused) this.#rows()[0]?.focus();
  }

  close(focused = false) {
    if (this.shown) this.menu.hidePopover();
    this.button.setAttribute("aria-expanded", "false");
    if (focused) this.field.focus();
  }

  #toggle() {
    if (this.shown) this.close();
    else this.open(true);
  }

  #rows = () => [...this.menu.querySelectorAll("[data-search], [data-row]")];

  #draw() {
    const typed = this.field.value.trim();
    const [recent, saved] = [read("recent"), read("saved")];
    const fits = (one) => !typed || one === typed || one.toLowerCase().includes(typed.toLowerCase());
    const row = (text, list) => {
      const keep = list === "saved" || saved.includes(text);
      return el("li", {},
        el("button", { type: "button", "data-search": text, "data-list": list, click: () => this.#ask(text) }, icon(list === "saved" ? "star@more" : "clock"), el("span", {}, text)),
        keep ? null : el("button", { class: "round", type: "button", "aria-label": `Save the search ${text}`, title: "Save", click: () => this.#change("saved", [text, ...saved]) }, icon("star@more")),
        el("button", { class: "round", type: "button", "aria-label": `Forget the search ${text}`, title: "Forget", click: () => this.#change(list, read(list).filter((one) => one !== text)) }, icon("close")));
    };
    const kept = saved.filter(fits);
    const last = recent.filter((one) => fits(one) && !saved.includes(one)).slice(0, SHOWN);
    const act = (text, image, does) => el("li", {}, el("button", { type: "button", "data-row": "", click: does }, icon(image), el("span", {}, text)));
    const parts = [
      typed && !saved.includes(typed) ? act(`Save “${typed}”`, "star@more", () => this.#change("saved", [typed, ...saved])) : null,
      kept.length ? el("li", { class: "muted" }, "Saved") : null,
      ...kept.map((one) => row(one, "saved")),
      last.length ? el("li", { class: "muted" }, "Recent") : null,
      ...last.map((one) => row(one, "recent")),
      recent.length ? act("Forget all recent searches", "bin@more", () => this.#change("recent", [])) : null,
    ].filter(Boolean);
    this.menu.replaceChildren(parts.length ? el("ul", {}, ...parts) : el("p", {}, "Searches appear here. They stay in this browser."), ...(parts.length ? [el("p", { class: "muted" }, "Only in this browser.")] : []));
  }

  #change(list, searches) {
    const at = this.#rows().indexOf(document.activeElement.closest("li")?.querySelector("[data-search], [data-row]"));
    write(list, searches);
    this.#draw();
    const rows = this.#rows();
    (rows[Math.min(Math.max(at, 0), rows.length - 1)] ?? this.field).focus();
  }

  #ask(text) {
    this.close();
    this.note(text);
    this.asked(text);
  }

  #key(event) {
    const rows = this.#rows();
    const at = rows.indexOf(event.target.closest("li")?.querySelector("[data-search], [data-row]"));
    if (event.key === "Delete" && event.target.dataset.search) {
      event.preventDefault();
      const { search, list } = event.target.dataset;
      this.#change(list, read(list).filter((one) => one !== search));
    }
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    if (at + way < 0) this.field.focus();
    else rows[Math.min(at + way, rows.length - 1)]?.focus();
  }
}
