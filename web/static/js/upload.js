// A picture to search with: dropped, pasted or chosen. The browser keeps the last few, so that back and reload work; the
// address names one by its hash.

const MOST_BYTES = 32_000_000; // web/config.py

/** What is wrong with a picture that the server would refuse; "" if nothing is. */
export const tooLarge = (file) => (file.size > MOST_BYTES ? `The picture has ${Math.round(file.size / 1e6)} MB; up to 32 can be searched with.` : "");

const DATABASE = "imgsearch";
const KEPT = 8;

/** Keep a picture; the promise is of its name in an address. */
export async function keepPicture(file) {
  const name = await nameOf(file);
  const database = await opened().catch(() => null);
  if (database) {
    const store = database.transaction("pictures", "readwrite").objectStore("pictures");
    store.put({ name, file, at: Date.now() });
    const all = await answer(store.index("at").getAllKeys());
    for (const old of all.slice(0, Math.max(0, all.length - KEPT))) store.delete(old);
  }
  held.set(name, file);
  return name;
}

/** The picture of that name, or null: another browser, or long ago. */
export async function keptPicture(name) {
  if (held.has(name)) return held.get(name);
  try {
    const database = await opened();
    const row = await answer(database.transaction("pictures").objectStore("pictures").get(name));
    return row?.file ?? null;
  } catch {
    return null; // a private window may refuse
  }
}

/** Draw the picture small; a format that the browser cannot read leaves the canvas as it is. */
export async function drawSmall(file, canvas) {
  try {
    const bitmap = await createImageBitmap(file);
    const side = Math.min(bitmap.width, bitmap.height);
    canvas.width = canvas.height = 72;
    canvas.getContext("2d").drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, 72, 72);
    bitmap.close();
  } catch {
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  }
}

/** Call `taken(file)` for a picture that is dropped on the page or pasted, or chosen with `input`. */
export function takePictures({ input, veil, taken }) {
  let depth = 0;
  const carries = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const show = (shown) => {
    veil.hidden = !shown;
    if (!shown) depth = 0;
  };
  addEventListener("dragenter", (event) => carries(event) && (depth += 1) && show(true));
  addEventListener("dragleave", (event) => carries(event) && (depth -= 1) <= 0 && show(false));
  addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    show(false);
    if (event.dataTransfer.files[0]) taken(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    taken(file);
  });
  input.addEventListener("change", () => {
    if (input.files[0]) taken(input.files[0]);
    input.value = "";
  });
}

const held = new Map();

/** 64 bits of SHA-256; where a page has no crypto (plain HTTP of another machine), what the file says of itself. */
async function nameOf(file) {
  if (!crypto.subtle) return [...`${file.name}${file.size}${file.lastModified}`].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 2 ** 48, 7).toString(16);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return [...hash.slice(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function opened() {
  const request = indexedDB.open(DATABASE, 1);
  request.addEventListener("upgradeneeded", () => request.result.createObjectStore("pictures", { keyPath: "name" }).createIndex("at", "at"));
  return answer(request);
}

function answer(request) {
  return new Promise((done, failed) => {
    request.addEventListener("success", () => done(request.result));
    request.addEventListener("error", () => failed(request.error));
  });
}
