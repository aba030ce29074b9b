// What looks.py asks of a page. WCAG 2.2 AA, 1.4.3: contrast of 4.5 to 1; 3 to 1 from 24 px on, from 18.66 px if bold.
(() => {
function faults() {
  const faults = [];
  const named = (e) => (e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + (e.classList.length ? "." + [...e.classList].join(".") : "")
    + " " + (e.textContent || "").trim().replace(/\s+/g, " ").slice(0, 40)).trim();
  const shown = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true });

  const heads = [...document.querySelectorAll("h1")];
  if (heads.length !== 1) faults.push(`found ${heads.length} h1, wanted 1`);
  if (!/.+ – Slipway$/.test(document.title)) faults.push(`title ${document.title}`);
  if (!document.querySelector("main")) faults.push("no main");

  const wide = document.documentElement.scrollWidth - window.innerWidth;
  if (wide > 0) {
    const over = [...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > window.innerWidth + 1);
    faults.push(`scrolls ${wide} px sideways: ${over.slice(0, 3).map(named).join(" | ")}`);
  }

  // --- contrast: what is written against what is behind it
  const colour = (text) => { const m = text.match(/[\d.]+/g).map(Number); return [m[0], m[1], m[2], m.length > 3 ? m[3] : 1]; };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  function behind(element) {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const c = colour(getComputedStyle(e).backgroundColor);
      if (c[3] > 0) layers.push(c);
      if (c[3] === 1) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  }
  const poor = new Map();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode.textContent.trim(), e = walk.currentNode.parentElement;
    if (!text || e.closest("svg, script, option, .visually-hidden, .skip") || !shown(e)) continue;
    const style = getComputedStyle(e), back = behind(e);
    let alpha = 1;
    for (let p = e; p; p = p.parentElement) alpha *= Number(getComputedStyle(p).opacity);
    const ink = colour(style.color);
    const front = over([ink[0], ink[1], ink[2], ink[3] * alpha], back);
    const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05), size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    if (ratio < (size >= 24 || (bold && size >= 18.66) ? 3 : 4.5)) poor.set(named(e), ratio.toFixed(1));
  }
  for (const [name, ratio] of [...poor].slice(0, 5)) faults.push(`contrast ${ratio}: ${name}`);

  // --- every control has a name, and the Tab key gets there
  for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!e.labels.length && !e.getAttribute("aria-label") && !e.getAttribute("aria-labelledby")) faults.push(`no label: ${named(e)} ${e.name}`);
  }
  for (const e of document.querySelectorAll("a, button, summary, input:not([type=hidden]), select, textarea")) {
    if (!shown(e) || e.closest("[aria-hidden=true]")) continue;
    if (e.tabIndex < 0 || (e.tagName === "A" && !e.hasAttribute("href"))) faults.push(`the Tab key does not get to ${named(e)}`);
    const name = (e.textContent || "").trim() || e.getAttribute("aria-label") || e.labels?.length || e.value;
    if (!name) faults.push(`no name: ${e.outerHTML.slice(0, 80)}`);
  }
  const ids = new Set();
  for (const e of document.querySelectorAll("[id]")) { if (ids.has(e.id)) faults.push(`twice: #${e.id}`); ids.add(e.id); }
  return faults;
}

// With the keyboard in use, whatever has the focus shows it by a ring or by another border.
function ringless() {
  const found = [];
  for (const e of document.querySelectorAll("a[href], button, summary, input:not([type=hidden]), select, textarea")) {
    if (!e.checkVisibility() || e.closest("[aria-hidden=true]")) continue;
    const before = getComputedStyle(e), was = [before.outlineWidth, before.boxShadow, before.borderColor].join();
    e.focus();
    const after = getComputedStyle(e), now = [after.outlineWidth, after.boxShadow, after.borderColor].join();
    const ring = after.outlineStyle !== "none" && parseFloat(after.outlineWidth) >= 2;
    if (!ring && was === now) found.push(e.outerHTML.slice(0, 90));
  }
  document.activeElement?.blur();
  return found.slice(0, 5);
}

return { faults, ringless };
})()
