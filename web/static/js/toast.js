// A sentence that comes, may be undone, and goes.

import { el, legible } from "./dom.js";

const STAYS = 9000; // ms; longer while it is pointed at or holds the focus
let timer = 0;

/** Say what was done; `undo` takes it back. Over whatever dialog is open. */
export function toast(text, undo = null) {
  clearTimeout(timer);
  document.querySelector(".toast")?.remove();
  const said = el("span", { role: "status" });
  const bar = el("div", { class: "toast", popover: "manual" }, said);
  const before = document.activeElement;
  const close = () => {
    if (bar.contains(document.activeElement) && before?.isConnected) before.focus({ preventScroll: true }); // else keys go nowhere
    bar.remove();
  };
  if (undo) {
    bar.append(el("button", { class: "button", type: "button", "data-do": "undo", click: () => {
      close();
      undo();
    } }, "Undo"));
  }
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => (bar.matches(":hover, :focus-within") ? wait() : close()), STAYS);
  };
  const modal = [...document.querySelectorAll("dialog:modal")].at(-1);
  (modal ?? document.querySelector("main")).append(bar);
  const below = modal ? null : document.querySelector(".chosen-bar")?.getBoundingClientRect();
  if (below) bar.style.bottom = `${innerHeight - below.top + 10}px`;
  bar.showPopover();
  setTimeout(() => (said.textContent = legible(text)), 20); // a region that is there before its text is read out
  wait();
}

/** Undo what the last sentence told. */
export const undoLast = () => document.querySelector('.toast [data-do="undo"]')?.click();
