// Coasts and countries: reads what data/places/make.py packs.

/** { lines: [{ points, box, shared }], rings: [{ points, box }], countries: [{ name, at, size }] }; points are lon, lat in degrees. */
export async function readOutlines(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`the outlines cannot be had (${answer.status})`);
  return unpack(await answer.arrayBuffer());
}

export function unpack(buffer) {
  const bytes = new Uint8Array(buffer);
  const length = new DataView(buffer).getUint32(0, true);
  const { steps, arcs, countries } = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  let place = 4 + length;
  const next = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[place];
      place += 1;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  const step = () => {
    const value = next();
    return value % 2 ? -(value + 1) / 2 : value / 2;
  };
  const lines = Array.from({ length: arcs }, () => {
    const points = new Float32Array(2 * next());
    let x = 0;
    let y = 0;
    for (let at = 0; at < points.length; at += 2) {
      points[at] = (x += step()) / steps;
      points[at + 1] = (y += step()) / steps;
    }
    return { points, box: boxOf(points), uses: 0 };
  });
  const rings = countries.flatMap(({ polygons }) => polygons.flat().map((ring) => joined(ring, lines)));
  return { lines, rings, countries };
}

/** The lines of a ring behind one another; they may go on beyond 180 degrees, and around the pole. */
function joined(ring, lines) {
  const found = [];
  for (const number of ring) {
    const line = lines[number < 0 ? ~number : number];
    line.uses += 1;
    const { points } = line;
    const begin = points[number < 0 ? points.length - 2 : 0];
    const turn = found.length ? 360 * Math.round((found.at(-2) - begin) / 360) : 0;
    for (let at = 0; at < points.length; at += 2) {
      const from = number < 0 ? points.length - 2 - at : at;
      if (at || !found.length) found.push(points[from] + turn, points[from + 1]);
    }
  }
  if (Math.abs(found.at(-2) - found[0]) > 180) found.push(found.at(-2), -90, found[0], -90); // Antarctica
  const points = Float32Array.from(found);
  return { points, box: boxOf(points) };
}

function boxOf(points) {
  const box = [Infinity, Infinity, -Infinity, -Infinity]; // west, south, east, north
  for (let at = 0; at < points.length; at += 2) {
    box[0] = Math.min(box[0], points[at]);
    box[1] = Math.min(box[1], points[at + 1]);
    box[2] = Math.max(box[2], points[at]);
    box[3] = Math.max(box[3], points[at + 1]);
  }
  return box;
}
