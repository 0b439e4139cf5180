"""Contrast of every text of a page, as WCAG 2.2 computes it (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio)."""

from __future__ import annotations

# Looks at each element that has text of its own: its colour against the first opaque ground behind it, as WCAG 2.2
# computes contrast (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio). A canvas turns any CSS colour into bytes.
CONTRASTS = """(() => {
    const pen = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const bytes = (colour) => {
        pen.clearRect(0, 0, 1, 1);
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
        return pen.getImageData(0, 0, 1, 1).data;
    };
    const light = ([r, g, b]) => {
        const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        const [x, y, z] = [r, g, b].map((v) => linear(v / 255));
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = bytes(getComputedStyle(at).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return bytes("white");
    };
    const low = [];
    let seen = 0;
    for (const element of document.querySelectorAll("body *")) {
        const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
        if (!own || !element.checkVisibility() || element.closest(".unseen, svg")) continue;
        const [a, b] = [light(bytes(getComputedStyle(element).color)), light(ground(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        seen += 1;
        if (ratio < 4.5) low.push([ratio.toFixed(2), element.className || element.tagName, element.textContent]);
    }
    return { low, seen, ground: light(bytes(getComputedStyle(document.body).backgroundColor)) };
})()"""
