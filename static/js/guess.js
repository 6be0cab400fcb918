// Whether the server would refuse a password as guessable: the same judgement as in portal/reset/passwords.py, by the
// same lists and numbers, so that the meter never promises what the server does not keep. A test compares the two.

import { lines, rules } from "./lists.js";

let RULES = null; // static/words/rules.json, which the server reads too; `loadLists` fetches it

// Upper case first, because it alone takes ß apart; a Greek sigma has one form for comparing.
const lower = (text) => text.toUpperCase().toLowerCase().replaceAll("ς", "σ");
const folded = (text) => lower(text.normalize("NFKD")).normalize("NFKD").replace(/\p{M}/gu, "");
const spelled = (text) => text.replace(/./gu, (sign) => RULES.lookAlikes[sign] ?? sign);
const squeezed = (text) => text.replace(/[^\p{L}\p{N}]/gu, "");
const isSign = (character) => !/[\p{L}\p{N}]/u.test(character);

export async function loadLists() {
  const names = ["common-passwords.txt", "famous-phrases.txt", "keyboards.txt"];
  const [numbers, ...lists] = await Promise.all([rules(), ...names.map(lines)]);
  const [common, phrases, keyboards] = lists.map((list) => list.map(folded));
  RULES = numbers;
  const ranks = common.map((word, place) => [word, Math.log2(place + 2)]);
  return { common: new Map(ranks.reverse()), phrases: new Set(phrases), touching: adjacent(keyboards) };
}

// A keyboard is a line of its rows; a key touches its neighbours in the row and the two keys below it.
function adjacent(keyboards) {
  const touching = new Set();
  for (const rows of keyboards.map((line) => line.split(" "))) {
    rows.forEach((row, number) => {
      const below = rows[number + 1] ?? "";
      [...row].forEach((key, column) => {
        for (const other of below.slice(Math.max(0, column - 1), column + 1) + row.slice(column + 1, column + 2)) {
          touching.add(key + other).add(other + key);
        }
      });
    });
  }
  return touching;
}

function step(first, second) {
  if (first + second === "90") return 1;
  if (first + second === "09") return -1;
  if (first !== second && (isSign(first) || isSign(second))) return null;
  const distance = second.codePointAt(0) - first.codePointAt(0);
  return Math.abs(distance) <= 1 ? distance : null;
}

// For each place, where the run (aaa, abc, 321) or the walk over touching keys that starts there ends.
function followed(text, touching) {
  const runs = text.map((_, place) => place + 1);
  const walks = [...runs];
  const steps = text.slice(1).map((second, place) => step(text[place], second));
  for (let start = text.length - 2; start >= 0; start -= 1) {
    if (steps[start] !== null) runs[start] = steps[start] === steps[start + 1] ? runs[start + 1] : start + 2;
    if (touching.has(text[start] + text[start + 1])) walks[start] = walks[start + 1];
  }
  return text.map((_, start) =>
    Math.max(
      runs[start] - start >= RULES.shortestRun ? runs[start] : start,
      walks[start] - start >= RULES.shortestWalk ? walks[start] : start,
    ),
  );
}

function trim(characters) {
  const first = characters.findIndex((character) => !RULES.trimmings.includes(character));
  return first === -1 ? [] : characters.slice(first);
}

function repeats(text) {
  for (let period = 1; period < RULES.minimum && period * 2 <= text.length; period += 1) {
    if ([...text].every((character, place) => place < period || character === text[place - period])) return true;
  }
  return false;
}

function ownWords(known) {
  const found = new Set();
  for (const text of known) {
    const parts = (form) => form.match(/[\p{L}\p{N}]+/gu) ?? [];
    const all = parts(folded(text));
    for (const word of [...all, all.join(""), parts(folded(text).split("@")[0]).join("")]) {
      if (word.length >= RULES.shortestOwn) found.add(word);
    }
  }
  return found;
}

// The guessable pieces that begin at a place: where each ends, its word (or null for a run of keys), and its bits.
function* pieces(forms, start, further, own, lists) {
  const [plain] = forms;
  for (const form of forms) {
    for (const word of own) if (form.startsWith(word, start)) yield { end: start + word.length, bits: 0, own: true };
    const shortest = Math.max(RULES.shortestCommon, further - start + 1);
    for (let length = shortest; length <= Math.min(RULES.longestCommon, form.length - start); length += 1) {
      const word = form.slice(start, start + length);
      const bits = lists.common.get(word);
      if (bits === undefined || /^\d+$/.test(word)) continue;
      const letters = plain.slice(start, start + length).match(/\p{L}/gu)?.length ?? 0;
      if (2 * letters > length) yield { end: start + length, bits, word };
    }
  }
  if (further > start) yield { end: further, bits: 0 };
}

function cover(forms, own, lists) {
  const text = forms[0].split("");
  const ends = followed(text, lists.touching);
  const best = Array(text.length + 1).fill({ left: 0, bits: 0 });
  for (let start = text.length - 1; start >= 0; start -= 1) {
    const after = best[start + 1];
    best[start] = { left: after.left + 1, bits: after.bits, next: start + 1, piece: null };
    for (const piece of pieces(forms, start, ends[start], own, lists)) {
      const { left, bits } = best[piece.end];
      const worth = bits + piece.bits + RULES.pieceBits;
      if (left < best[start].left || (left === best[start].left && worth < best[start].bits)) {
        best[start] = { left, bits: worth, next: piece.end, piece };
      }
    }
  }
  const found = [];
  let outside = "";
  for (let place = 0; place < text.length; place = best[place].next) {
    if (best[place].piece) found.push(best[place].piece);
    else outside += text[place];
  }
  return { found, outside };
}

// `known` are the person's own texts (address, name) and the organisation's name.
export function isRefused(password, known, lists) {
  const plain = folded(password);
  const forms = [...new Set([plain, spelled(plain)])];
  const trimmed = trim(trim([...plain]).reverse()).reverse().join("");
  for (const form of forms) {
    if (lists.common.has(form) || lists.common.has(squeezed(form)) || lists.phrases.has(squeezed(form))) return true;
  }
  if ([plain, trimmed, squeezed(plain)].some(repeats)) return true;
  const { found, outside } = cover(forms, ownWords(known), lists);
  const words = new Map(found.filter((piece) => piece.word).map((piece) => [piece.word, piece.bits]));
  const decorated = found.some((piece) => piece.word || piece.own);
  const signs = new Set([...outside].filter(isSign)).size;
  const digits = outside.match(/\p{N}/gu)?.length ?? 0;
  const letters = outside.match(/\p{L}/gu)?.length ?? 0;
  if (letters + signs + Math.max(0, digits - (decorated ? RULES.freeDigits : 0)) >= RULES.little) return false;
  return found.length > 0 && [...words.values()].reduce((sum, bits) => sum + bits, 0) < RULES.commonBits;
}
