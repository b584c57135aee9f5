// Texts whose contrast with what lies behind them is below 4.5 (WCAG 2.2, 1.4.3); half-transparent
// colours are blended. The body of a function that a test runs in the page.
const parse = (text) => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  canvas.fillStyle = text;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
};
const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
const light = (color) => color.slice(0, 3)
  .map((value) => value / 255)
  .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
  .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (node) => {
  if (!node) return [255, 255, 255, 1];
  const own = parse(getComputedStyle(node).backgroundColor);
  return own[3] === 1 ? own : over(own, behind(node.parentElement));
};
const found = [];
for (const node of document.querySelectorAll("body *")) {
  const said = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  const box = node.getBoundingClientRect();
  if (!said || !node.checkVisibility() || box.width < 2) continue;
  if (node.matches(":disabled, noscript, option")) continue;
  const ground = behind(node);
  const [a, b] = [light(over(parse(getComputedStyle(node).color), ground)), light(ground)].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5) found.push(`${node.className || node.tagName} ${node.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
}
return found;
