// What a picture shows, in words: its caption, and answers to questions about it. Loaded with the first picture that has any.

import { API, ask, csrf, inSentences, Problem } from "./client.js";
import { el, icon, percent, WRITES } from "./dom.js";

const LONGEST = 500; // letters of a question
const REMEMBERED = 8; // turns that a question is sent with
const talks = new Map(); // picture -> what was said about it, while this page is open

/** Show the caption under the picture and as its alternative text, and the field for questions. */
export function tell({ stage, panel, caption, level = 2 }, id, filling, signal) {
  const section = panel.querySelector(".ask");
  if (section) new Talk(section, id, `h${level + 1}`, signal);
  describe(stage, caption, id, filling, signal);
}

async function describe(stage, place, id, filling, signal) {
  const picture = await filling;
  if (signal.aborted || !picture) return;
  let found = picture.caption;
  if (!found && WRITES) {
    place.ariaBusy = "true";
    try {
      await pause(300, signal); // whoever leafs through the pictures has none of them described
      found = await ask(`/pictures/${id}/caption`, { signal });
    } catch {
      found = null; // the picture is there without it
    }
    if (signal.aborted) return;
    place.ariaBusy = "false";
  }
  if (!found?.text) return;
  const doubt = found.itm_probability === null ? "" : ` (${percent(found.itm_probability)} sure)`;
  place.hidden = false;
  place.replaceChildren(found.sure ? found.text : el("span", { class: "unsure", title: `The matching model doubts it${doubt}` }, `Perhaps ${found.text}`));
  stage.describe(found.sure ? found.text : `Perhaps ${found.text}`);
}

/** Questions about one picture. Leaving it, closing, Escape and the button end an answer that is under way. */
class Talk {
  constructor(section, id, head, signal) {
    Object.assign(this, { id, signal, under_way: null });
    this.turns = talks.get(id) ?? talks.set(id, []).get(id);
    this.list = el("div", { class: "turns", role: "log", "aria-label": "Questions and answers" }, ...this.turns.map((turn) => this.#item(turn)));
    this.input = el("input", { type: "text", maxlength: LONGEST, "aria-label": "A question about the picture", placeholder: "What do you want to know?", autocomplete: "off", enterkeyhint: "send" });
    this.button = el("button", { class: "round", type: "submit" });
    this.#idle(true);
    const form = el("form", { submit: (event) => this.#submitted(event) }, this.input, this.button);
    section.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.under_way) return;
      event.preventDefault(); // the first Escape ends the answer, the next one closes the picture
      event.stopPropagation();
      this.under_way.abort();
    });
    signal.addEventListener("abort", () => this.under_way?.abort());
    section.replaceChildren(el(head, {}, "Ask about the picture"), this.list, form);
  }

  #idle(idle) {
    const name = idle ? "Ask" : "Stop the answer";
    this.button.replaceChildren(icon(idle ? "send" : "close"));
    Object.assign(this.button, { ariaLabel: name, title: name });
    this.list.ariaBusy = String(!idle); // a screen reader reads the answer once it is whole
  }

  async #submitted(event) {
    event.preventDefault();
    if (this.under_way) return this.under_way.abort();
    const question = this.input.value.trim();
    if (!question) return this.input.focus();
    const turn = { question, answer: "", note: "…" };
    const item = this.list.appendChild(this.#item(turn));
    const show = (change) => {
      Object.assign(turn, change);
      item.replaceChildren(...this.#item(turn).children);
      item.scrollIntoView({ block: "nearest" });
    };
    this.input.value = "";
    this.under_way = new AbortController();
    this.#idle(false);
    try {
      await this.#hear(question, show, this.under_way.signal);
      this.turns.push(turn);
    } catch (problem) {
      if (problem.name !== "AbortError") show({ note: inSentences(problem), failed: true });
      else if (turn.answer) show({ note: "stopped" });
      else item.remove();
      if (!turn.answer && !this.input.value) this.input.value = question;
    } finally {
      this.under_way = null;
      this.#idle(true);
    }
    return undefined;
  }

  async #hear(question, show, signal) {
    const history = this.turns.slice(-REMEMBERED).map((turn) => ({ question: turn.question, answer: turn.answer.slice(0, LONGEST) }));
    for await (const [name, told] of events(`/pictures/${this.id}/ask`, { question, history }, signal)) {
      if (name === "waiting") show({ note: `${told.reason} …` });
      else if (name === "token") show({ answer: told.text, note: "" });
      else if (name === "answer") return show({ answer: told.answer, note: told.answer ? "" : "no answer", fits: verdict(told) });
      else if (name === "problem") throw new Problem(told);
    }
    throw new Problem({ detail: "The answer broke off." });
  }

  #item({ question, answer, note, failed = false, fits = "" }) {
    const kind = failed ? "word-of-warning" : "answer waiting";
    return el("div", {}, el("p", { class: "question" }, question), answer && el("p", { class: "answer" }, answer),
      note && el("p", { class: kind }, note), fits && el("p", { class: "fits" }, fits));
  }
}

/** How far an answer is to be believed. */
function verdict({ answer, statement, itm_probability: fits }) {
  if (!answer) return "";
  if (typeof fits !== "number") return "Not checked against the picture";
  return fits < 0.5 ? `Unsure: “${statement}” fits the picture with only ${percent(fits)}` : `“${statement}” fits the picture: ${percent(fits)}`;
}

/** [name, data] of each event that the server sends in answer to a POST, which EventSource cannot make. */
async function* events(path, body, signal) {
  let response;
  try {
    const headers = { "Content-Type": "application/json", Accept: "text/event-stream", "X-CSRF-Token": csrf() };
    response = await fetch(API + path, { method: "POST", body: JSON.stringify(body), headers, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ detail: "The server does not answer.", hint: "Is imgsearch serve still running?" });
  }
  if (!response.ok) throw new Problem({ status: response.status, ...(await response.json().catch(() => ({}))) });
  let rest = "";
  for await (const piece of pieces(response.body.pipeThrough(new TextDecoderStream()))) {
    const blocks = (rest + piece).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const lines = Object.fromEntries(block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
      if (lines.event) yield [lines.event, JSON.parse(lines.data)];
    }
  }
}

/** What a stream holds; not every browser iterates one by itself. */
async function* pieces(stream) {
  const reader = stream.getReader();
  try {
    for (let one = await reader.read(); !one.done; one = await reader.read()) yield one.value;
  } finally {
    reader.cancel().catch(() => {});
  }
}

function pause(milliseconds, signal) {
  return new Promise((done, given_up) => {
    setTimeout(done, milliseconds);
    signal.addEventListener("abort", () => given_up(new DOMException("gone on", "AbortError")));
  });
}
