// Writes terms as text of the steering grammar. Does not read it: the server does.

const OPTIONS = { if: "if", scope: "scope", unit: "unit", close: "close", hold: "hold", positions: "on", decay: "decay", after: "after", toward: "toward", by: "by" };

export const termsText = (terms) => terms.map(termText).join(" ");

export function termText(term) {
  const operation = term.operation && term.operation !== "add" ? `${term.operation}:` : "";
  const layers = term.layers ? `@${term.layers}` : "";
  return `${operation}${quoted(term.vector)}=${short(term.strength)}${layers}${options(term)}`;
}

/** "?if=harmful>0.3&on=generated", or "". */
export function options(term) {
  const words = Object.entries(OPTIONS)
    .filter(([key]) => term[key] !== undefined && term[key] !== null)
    .map(([key, word]) => `${word}=${key === "toward" ? quoted(term[key]) : term[key]}`);
  return words.length ? `?${words.join("&")}` : "";
}

const quoted = (name) => (/[\s=@?&<>"]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);
const short = (strength) => String(Number(strength.toFixed(4)));
